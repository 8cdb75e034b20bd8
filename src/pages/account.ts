// The account page: the user's devices and sessions, the apps that have access, the password, the profile.
import { type DataPart, dataText } from './account_data.ts';
import { type EmailPart, emailView } from './account_email.ts';
import { type ProfilePart, profileRow } from './account_profile.ts';
import { endedText, type Flash, flashText, type PasswordProblem, passwordText } from './account_texts.ts';
import type { Brand } from './brand.ts';
import { describeScopes, type ScopeView } from './scopes.ts';
import { clientName, monogram, shorten, webUrl } from './text.ts';
import { ago, exactMoment, onDay } from './time.ts';
import { describeUserAgent, deviceKind, isRecognized } from './user_agent.ts';
import { renderPage } from './view.ts';

/** A session of an app on a device. */
export interface SessionView {
  id: string;
  client: { name: string };
  /** Where it was used last. */
  ip: string | null;
  /** Where the user signed in, if that is another address. */
  loginIp?: string | null;
  createdAt: Date;
  lastUsedAt: Date;
  endAction: string;
}

/** A device or browser with its sessions. */
export interface DeviceView {
  id: string;
  /** The name that the user or the app has given it; null shows the user agent instead. */
  name: string | null;
  platform: string | null;
  userAgent: string | null;
  ip: string | null;
  /** Whether it is the browser that shows the page. */
  isCurrent: boolean;
  lastUsedAt: Date;
  /** When its browser session started; absent when it has none. */
  browserSince?: Date;
  sessions: SessionView[];
  /** Ends everything on the device. */
  endAction?: string;
  /** Sends `name`; absent for a browser, which has no stored name. */
  renameAction?: string;
}

/** A session that has ended. */
export interface EndedSessionView {
  name: string | null;
  platform: string | null;
  client: { name: string };
  userAgent: string | null;
  endedAt: Date;
  /** The core's `EndedReason`. */
  reason: string | null;
}

/** A client that the user has given access. */
export interface ConsentView {
  client: { name: string; logoUrl?: string | null; url?: string | null };
  scopes: ScopeView[];
  since: Date;
  withdrawAction: string;
}

export interface AccountPage {
  now: Date;
  /** The CSRF token, sent as `csrf` by every form of the page. */
  csrf: string;
  user: { username: string; email: string | null };
  flash?: Flash;
  devices: DeviceView[];
  ended: EndedSessionView[];
  consents: ConsentView[];
  /** Ends all other sessions; absent when there are none. */
  endOthersAction?: string;
  signOutAction: string;
  /** The URLs of this page and of the page where a device is connected. */
  accountUrl: string;
  deviceUrl: string;
  /** Sends `current_password` and `new_password`; null when the user has no password. */
  password: { action: string; problem?: PasswordProblem } | null;
  email: EmailPart;
  profile: ProfilePart;
  data: DataPart;
}

/** The page shows this many devices and folds the rest. */
const maxUnfolded = 5;

/** Renders everything that a user can see and end without help, on one page. */
export function renderAccount(brand: Brand, page: AccountPage): string {
  const { now, user, csrf } = page;
  const password = page.password && {
    action: page.password.action,
    problem: page.password.problem ? passwordText(page.password.problem) : null,
  };
  const data = { ...page.data, problem: page.data.problem ? dataText(page.data.problem) : null };
  const hasProblem = Boolean(
    password?.problem || page.email.problem || page.profile.problem || data.problem || page.flash?.isProblem,
  );
  const devices = page.devices.map((one) => deviceRow(one, now));
  return renderPage(
    brand,
    'account',
    { title: 'Your account', isWide: true, hasProblem },
    {
      user,
      fields: [['csrf', csrf]],
      flash: page.flash ? flashView(page.flash) : null,
      devices: devices.slice(0, maxUnfolded),
      folded: devices.slice(maxUnfolded),
      ended: page.ended.map((one) => endedRow(one, now)),
      consents: page.consents.map(consentRow),
      endOthersAction: page.endOthersAction,
      signOutAction: page.signOutAction,
      password,
      email: emailView(page.email),
      profile: profileRow(page.profile),
      data,
      accountUrl: page.accountUrl,
      deviceUrl: page.deviceUrl,
    },
  );
}

// The code that was sent is entered far below.
function flashView(flash: Flash) {
  return { ...flash, text: flashText(flash), goesOn: flash.code === 'email_code_sent' };
}

function deviceRow(one: DeviceView, now: Date) {
  const [first] = one.sessions;
  const count = one.sessions.length;
  return {
    ...one,
    ...describeDevice({ ...one, client: first?.client ?? null }),
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
    ...describeDevice(one),
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
    host: url ? new URL(url).host : null,
    url,
    scopes: describeScopes(scopes),
    since: onDay(since),
    withdrawAction,
  };
}

interface Nameable {
  name: string | null;
  platform: string | null;
  userAgent: string | null;
  client: { name: string } | null;
}

// A user agent that only names a library ("okhttp", "node") means nothing to the user, so the app's name is shown instead.
function describeDevice({ name, platform, userAgent, client }: Nameable) {
  const device = isRecognized(userAgent) ? describeUserAgent(userAgent) : null;
  const given = name ? shorten(name, 100) : '';
  return {
    title: given || device || (client ? clientName(client.name) : 'Unknown device'),
    device: given ? device : null,
    kind: deviceKind(platform, userAgent),
  };
}
