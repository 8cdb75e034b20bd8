// The devices of the account page: groups sessions and browser sessions by the device or browser that they belong to.
import type { BrowserSession } from '../../core/sessions/browser_sessions.ts';
import type { LiveSession } from '../../core/sessions/session_list.ts';
import type { DeviceView, SessionView } from '../../pages/account.ts';
import { describeUserAgent, isRecognized } from '../../pages/user_agent.ts';
import type { Visitor } from './browser_login.ts';

/** The public path of an action of the page. */
type ActionPath = (local: string) => string;

type ListedSession = Pick<
  LiveSession,
  | 'id'
  | 'client_id'
  | 'client_name'
  | 'device_id'
  | 'device_name'
  | 'device_platform'
  | 'ip'
  | 'last_ip'
  | 'user_agent'
  | 'created_at'
  | 'last_used_at'
  | 'browser_session'
>;

/**
 * The devices of a user: the visitor's own first, then by last use. A device is either one that a client has named, or a
 * browser with the sessions that were opened in it. A session that belongs to neither is a device of its own, because the
 * same user agent does not make two sessions one device.
 */
export function devicesOf(
  live: ListedSession[],
  browsers: BrowserSession[],
  visitor: Visitor,
  to: ActionPath,
): DeviceView[] {
  const signedIn = new Map(browsers.map((one) => [one.second_id, one]));
  const isInBrowser = (one: ListedSession) => !one.device_id && wasOpenedIn(one, signedIn);
  const rest = live.filter((one) => !one.device_id && !isInBrowser(one));
  const byDevice = Map.groupBy(
    live.filter((one) => one.device_id),
    (one) => String(one.device_id),
  );
  const inBrowsers = Map.groupBy(live.filter(isInBrowser), (one) => String(one.browser_session));
  const devices = [
    ...[...byDevice].map(([id, sessions]) => namedDevice(id, sessions, to)),
    ...[...new Set([...signedIn.keys(), ...inBrowsers.keys()])].map((id) =>
      browser(id, signedIn.get(id), inBrowsers.get(id) ?? [], visitor, to),
    ),
    ...rest.map((one) => deviceOf(one.id, [one], to)),
  ];
  return devices.toSorted(
    (a, b) => Number(b.isCurrent) - Number(a.isCurrent) || b.lastUsedAt.getTime() - a.lastUsedAt.getTime(),
  );
}

// A session of the device flow names the browser in which the user allowed it, but runs on the device that asked for it. The
// user agents tell the two apart.
function wasOpenedIn(
  { browser_session, user_agent }: ListedSession,
  known: Map<string, BrowserSession>,
): boolean {
  if (browser_session === null) return false;
  const browser = known.get(browser_session);
  if (!browser) return isRecognized(user_agent);
  return describeUserAgent(browser.user_agent) === describeUserAgent(user_agent);
}

function namedDevice(id: string, sessions: ListedSession[], to: ActionPath): DeviceView {
  const [last] = sessions;
  return {
    ...deviceOf(id, sessions, to),
    name: last?.device_name ?? null,
    platform: last?.device_platform ?? null,
    renameAction: to(`/devices/${id}/rename`),
    endAction: to(`/devices/${id}/end`),
  };
}

// Without a row the browser session has ended; the sessions that were opened in it are still live.
function browser(
  id: string,
  row: BrowserSession | undefined,
  sessions: ListedSession[],
  visitor: Visitor,
  to: ActionPath,
): DeviceView {
  const device = { ...deviceOf(id, sessions, to), isCurrent: id === visitor.id };
  if (!row) return device;
  return {
    ...device,
    userAgent: row.user_agent ?? device.userAgent,
    ip: row.ip ?? device.ip,
    lastUsedAt: new Date(Math.max(row.created_at.getTime(), device.lastUsedAt.getTime())),
    browserSince: row.created_at,
    endAction: to(`/browsers/${id}/end`),
  };
}

function deviceOf(id: string, sessions: ListedSession[], to: ActionPath): DeviceView {
  const [last] = sessions;
  return {
    id,
    name: null,
    platform: null,
    userAgent: last?.user_agent ?? null,
    ip: last?.ip ?? null,
    isCurrent: false,
    lastUsedAt: last?.last_used_at ?? new Date(0),
    sessions: sessions.map((one) => sessionView(one, to)),
    ...(sessions.length === 1 && last ? { endAction: to(`/sessions/${last.id}/end`) } : {}),
  };
}

function sessionView(one: ListedSession, to: ActionPath): SessionView {
  return {
    id: one.id,
    client: { name: one.client_name ?? one.client_id },
    ip: one.last_ip,
    loginIp: one.ip === one.last_ip ? null : one.ip,
    createdAt: one.created_at,
    lastUsedAt: one.last_used_at,
    endAction: to(`/sessions/${one.id}/end`),
  };
}
