// The account page: where somebody is signed in, which apps have access, their password and their profile.
import { endedText, type Flash, flashText, type PasswordProblem, passwordText } from './account_texts.ts';
import type { Brand } from './brand.ts';
import { describeScopes, type ScopeView } from './scopes.ts';
import { clientName, monogram, shorten, webUrl } from './text.ts';
import { ago, exactMoment, onDay } from './time.ts';
import { describeUserAgent, deviceKind, isRecognized } from './user_agent.ts';
import { renderPage } from './view.ts';

/** A sign-in of an app on a device. */
export interface SessionView {
  id: string;
  client: { name: string };
  ip: string | null;
  createdAt: Date;
  lastUsedAt: Date;
  endAction: string;
}

/** A device or browser with what is signed in there. */
export interface DeviceView {
  id: string;
  /** What its user or its app calls it; absent, its user agent is named. */
  name: string | null;
  platform: string | null;
  userAgent: string | null;
  ip: string | null;
  /** Whether the page is looked at there. */
  isCurrent: boolean;
  lastUsedAt: Date;
  /** Since when it is signed in at our own pages, where it is. */
  browserSince?: Date;
  sessions: SessionView[];
  /** Ends all of it. */
  endAction?: string;
  /** Sends `name`; absent where there is nothing that could keep a name. */
  renameAction?: string;
}

/** A session that is over. */
export interface EndedSessionView {
  name: string | null;
  platform: string | null;
  client: { name: string };
  userAgent: string | null;
  endedAt: Date;
  /** The core's `EndedReason`. */
  reason: string | null;
}

/** A client that the user gave access. */
export interface ConsentView {
  client: { name: string; logoUrl?: string | null; url?: string | null };
  scopes: ScopeView[];
  since: Date;
  withdrawAction: string;
}

export interface AccountPage {
  now: Date;
  /** Sent as `csrf` by every form of the page. */
  csrf: string;
  user: { username: string; email: string | null };
  flash?: Flash;
  devices: DeviceView[];
  ended: EndedSessionView[];
  consents: ConsentView[];
  /** Absent when there is no other. */
  endOthersAction?: string;
  signOutAction: string;
  /** Of this page, and of the page where a device is connected. */
  accountUrl: string;
  deviceUrl: string;
  /** Sends `current_password` and `new_password`; null when the user has no password. */
  password: { action: string; problem?: PasswordProblem } | null;
}

/** How many devices are shown before the rest is folded away. */
const unfolded = 5;

/** Everything a user can see and end by themself, on one page. */
export function renderAccount(brand: Brand, page: AccountPage): string {
  const { now, user, csrf } = page;
  const password = page.password && {
    action: page.password.action,
    problem: page.password.problem ? passwordText(page.password.problem) : null,
  };
  const hasProblem = Boolean(password?.problem || page.flash?.isProblem);
  const devices = page.devices.map((one) => deviceRow(one, now));
  return renderPage(
    brand,
    'account',
    { title: 'Your account', isWide: true, hasProblem },
    {
      user,
      fields: [['csrf', csrf]],
      flash: page.flash ? { ...page.flash, text: flashText(page.flash) } : null,
      devices: devices.slice(0, unfolded),
      folded: devices.slice(unfolded),
      ended: page.ended.map((one) => endedRow(one, now)),
      consents: page.consents.map(consentRow),
      endOthersAction: page.endOthersAction,
      signOutAction: page.signOutAction,
      password,
      accountUrl: page.accountUrl,
      deviceUrl: page.deviceUrl,
    },
  );
}

function deviceRow(one: DeviceView, now: Date) {
  const [first] = one.sessions;
  const count = one.sessions.length;
  return {
    ...one,
    ...deviceWords({ ...one, client: first?.client ?? null }),
    givenName: one.name ?? '',
    used: ago(one.lastUsedAt, now),
    browserSince: one.browserSince ? exactMoment(one.browserSince) : null,
    endLabel: count > 1 ? `Sign out of ${count === 2 ? 'both' : `all ${count}`} apps` : 'Sign out',
    sessions: one.sessions.map((session) => ({
      ...session,
      clientName: clientName(session.client.name),
      created: exactMoment(session.createdAt),
      used: ago(session.lastUsedAt, now),
    })),
  };
}

function endedRow(one: EndedSessionView, now: Date) {
  return {
    ...deviceWords(one),
    clientName: clientName(one.client.name),
    ...endedText(one.reason),
    ended: ago(one.endedAt, now),
    endedExactly: exactMoment(one.endedAt),
  };
}

function consentRow({ client, scopes, since, withdrawAction }: ConsentView) {
  const url = webUrl(client.url);
  return {
    name: clientName(client.name),
    monogram: monogram(client.name),
    logoUrl: webUrl(client.logoUrl),
    place: url ? new URL(url).host : null,
    url,
    scopes: describeScopes(scopes),
    since: onDay(since),
    withdrawAction,
  };
}

interface Named {
  name: string | null;
  platform: string | null;
  userAgent: string | null;
  client: { name: string } | null;
}

// What a library calls itself ("okhttp", "node") tells nobody anything: the app is a better name then.
function deviceWords({ name, platform, userAgent, client }: Named) {
  const device = isRecognized(userAgent) ? describeUserAgent(userAgent) : null;
  const given = name ? shorten(name, 100) : '';
  return {
    title: given || device || (client ? clientName(client.name) : 'Unknown device'),
    device: given ? device : null,
    kind: deviceKind(platform, userAgent),
  };
}
