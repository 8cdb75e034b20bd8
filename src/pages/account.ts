// The account page: where somebody is signed in, which apps have access, their password and their profile.
import {
  endedText,
  type Flash,
  flashText,
  type PasswordProblem,
  type ProfileProblem,
  passwordText,
} from './account_texts.ts';
import type { Brand } from './brand.ts';
import { describeScopes, type ScopeView } from './scopes.ts';
import { clientName, monogram, shorten, webUrl } from './text.ts';
import { ago, onDay } from './time.ts';
import { describeUserAgent, deviceKind } from './user_agent.ts';
import { renderPage } from './view.ts';

/** A session as its user sees it. */
export interface SessionView {
  id: string;
  /** The device's name; absent, its user agent is named. */
  name: string | null;
  platform: string | null;
  client: { name: string };
  ip: string | null;
  userAgent: string | null;
  createdAt: Date;
  lastUsedAt: Date;
  /** Whether it was opened from the browser that looks at the page. */
  isCurrent: boolean;
  endAction: string;
  /** Sends `name`; absent when the session has no device that could have one. */
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

/** A browser that is signed in at these pages. */
export interface BrowserSessionView {
  userAgent: string | null;
  ip: string | null;
  createdAt: Date;
  lastUsedAt?: Date;
  isCurrent: boolean;
  endAction: string;
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
  sessions: SessionView[];
  ended: EndedSessionView[];
  browserSessions: BrowserSessionView[];
  consents: ConsentView[];
  /** Absent when there is no other. */
  endOthersAction?: string;
  signOutAction: string;
  /** Sends `current_password` and `new_password`; null when the user has no password. */
  password: { action: string; problem?: PasswordProblem } | null;
  /** Sends `username` and `email`; absent when people may not change them. `given` is what was typed before. */
  profile?: { action: string; problem?: ProfileProblem; given?: { username: string; email: string } };
}

/** Everything a user can see and end by themself, on one page. */
export function renderAccount(brand: Brand, page: AccountPage): string {
  const { now, user, csrf } = page;
  const password = page.password && {
    action: page.password.action,
    problem: page.password.problem ? passwordText(page.password.problem) : null,
  };
  const hasProblem = Boolean(password?.problem || page.profile?.problem || page.flash?.isProblem);
  return renderPage(
    brand,
    'account',
    { title: 'Your account', isWide: true, hasProblem },
    {
      user,
      fields: [['csrf', csrf]],
      flash: page.flash ? { ...page.flash, text: flashText(page.flash) } : null,
      sessions: page.sessions.map((one) => sessionRow(one, now)),
      ended: page.ended.map((one) => endedRow(one, now)),
      browserSessions: page.browserSessions.map((one) => browserRow(one, now)),
      consents: page.consents.map(consentRow),
      endOthersAction: page.endOthersAction,
      signOutAction: page.signOutAction,
      password,
      profile: page.profile
        ? { given: { ...user, email: user.email ?? '' }, problem: null, ...page.profile }
        : null,
    },
  );
}

function sessionRow(one: SessionView, now: Date) {
  return {
    ...one,
    ...deviceWords(one),
    givenName: one.name ?? '',
    created: onDay(one.createdAt),
    used: ago(one.lastUsedAt, now),
  };
}

function endedRow(one: EndedSessionView, now: Date) {
  return { ...deviceWords(one), ...endedText(one.reason), ended: ago(one.endedAt, now) };
}

function browserRow(one: BrowserSessionView, now: Date) {
  return {
    ...one,
    device: describeUserAgent(one.userAgent),
    kind: deviceKind(null, one.userAgent),
    created: onDay(one.createdAt),
    used: one.lastUsedAt ? ago(one.lastUsedAt, now) : null,
  };
}

function consentRow({ client, scopes, since, withdrawAction }: ConsentView) {
  const url = webUrl(client.url);
  return {
    name: clientName(client.name),
    monogram: monogram(client.name),
    logoUrl: webUrl(client.logoUrl),
    place: url ? new URL(url).host : null,
    scopes: describeScopes(scopes),
    since: onDay(since),
    withdrawAction,
  };
}

function deviceWords(one: Pick<SessionView, 'name' | 'platform' | 'userAgent' | 'client'>) {
  const device = describeUserAgent(one.userAgent);
  const name = one.name ? shorten(one.name, 100) : '';
  return {
    title: name || device,
    // Under a name, nothing is better than "Unknown device".
    device: name && one.userAgent ? device : null,
    clientName: clientName(one.client.name),
    kind: deviceKind(one.platform, one.userAgent),
    platform: one.platform,
  };
}
