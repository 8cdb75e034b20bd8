// The devices of the account page: sessions and logins at the pages, put together by where they are.
import type { BrowserSession } from '../../core/sessions/browser_sessions.ts';
import type { LiveSession } from '../../core/sessions/session_list.ts';
import type { DeviceView, SessionView } from '../../pages/account.ts';
import { describeUserAgent, isRecognized } from '../../pages/user_agent.ts';
import type { Visitor } from './browser_login.ts';

/** What an action of the page is called, as a browser sees it. */
type To = (local: string) => string;

type Shown = Pick<
  LiveSession,
  | 'id'
  | 'client_id'
  | 'client_name'
  | 'device_id'
  | 'device_name'
  | 'device_platform'
  | 'ip'
  | 'user_agent'
  | 'created_at'
  | 'last_used_at'
  | 'browser_session'
>;

/**
 * A device is what a client named as one, or a browser with all that was opened in it. A session of neither stands alone:
 * that two of them have the same user agent does not make them one device. This one comes first, then the last used.
 */
export function devicesOf(live: Shown[], browsers: BrowserSession[], visitor: Visitor, to: To): DeviceView[] {
  const known = new Map(browsers.map((one) => [one.second_id, one]));
  const isInBrowser = (one: Shown) => !one.device_id && wasOpenedIn(one, known);
  const rest = live.filter((one) => !one.device_id && !isInBrowser(one));
  const byDevice = Map.groupBy(
    live.filter((one) => one.device_id),
    (one) => String(one.device_id),
  );
  const inBrowsers = Map.groupBy(live.filter(isInBrowser), (one) => String(one.browser_session));
  const devices = [
    ...[...byDevice].map(([id, sessions]) => namedDevice(id, sessions, to)),
    ...[...new Set([...known.keys(), ...inBrowsers.keys()])].map((id) =>
      browser(id, known.get(id), inBrowsers.get(id) ?? [], visitor, to),
    ),
    ...rest.map((one) => deviceOf(one.id, [one], to)),
  ];
  return devices.toSorted(
    (a, b) => Number(b.isCurrent) - Number(a.isCurrent) || b.lastUsedAt.getTime() - a.lastUsedAt.getTime(),
  );
}

// A session of the device flow remembers the browser in which it was allowed, but lives on the device that asked for it.
function wasOpenedIn({ browser_session, user_agent }: Shown, known: Map<string, BrowserSession>): boolean {
  if (browser_session === null) return false;
  const browser = known.get(browser_session);
  if (!browser) return isRecognized(user_agent);
  return describeUserAgent(browser.user_agent) === describeUserAgent(user_agent);
}

function namedDevice(id: string, sessions: Shown[], to: To): DeviceView {
  const [last] = sessions;
  return {
    ...deviceOf(id, sessions, to),
    name: last?.device_name ?? null,
    platform: last?.device_platform ?? null,
    renameAction: to(`/devices/${id}/rename`),
    endAction: to(`/devices/${id}/end`),
  };
}

// Without its row the login at the pages is over; what was opened there goes on.
function browser(
  id: string,
  row: BrowserSession | undefined,
  sessions: Shown[],
  visitor: Visitor,
  to: To,
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

function deviceOf(id: string, sessions: Shown[], to: To): DeviceView {
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

function sessionView(one: Shown, to: To): SessionView {
  return {
    id: one.id,
    client: { name: one.client_name ?? one.client_id },
    ip: one.ip,
    createdAt: one.created_at,
    lastUsedAt: one.last_used_at,
    endAction: to(`/sessions/${one.id}/end`),
  };
}
