// What the account page shows, read from the database.
import type { Context } from 'koa';
import type { Deps } from '../../core/deps.ts';
import { sendsMail } from '../../core/mail/sends_mail.ts';
import { findPendingAddress } from '../../core/one_time_codes/pending_address.ts';
import { listBrowserSessions } from '../../core/sessions/browser_sessions.ts';
import { type ListedSession, listEndedSessions, listLiveSessions } from '../../core/sessions/session_list.ts';
import { listLoginUserAgents } from '../../core/sessions/session_places.ts';
import { type ListedConsent, listConsents } from '../../core/users/consents.ts';
import { displayName, type User } from '../../core/users/users.ts';
import { type EndedSessionView, renderAccount } from '../../pages/account.ts';
import type { DataProblem } from '../../pages/account_data.ts';
import type { EmailPart } from '../../pages/account_email.ts';
import type { ProfileField, ProfilePart } from '../../pages/account_profile.ts';
import type { PasswordProblem } from '../../pages/account_texts.ts';
import { noScope, type ScopeView } from '../../pages/scopes.ts';
import { devicesOf } from './account_devices.ts';
import type { Visitor } from './browser_login.ts';
import { includesOfflineAccess, scopeViewsOf } from './consent_scopes.ts';
import { takeFlash } from './flash.ts';
import { csrfToken } from './form.ts';
import { brandOf, publicPath, sendPage } from './page_response.ts';

/** The page shows this many live sessions. */
export const maxLiveSessions = 200;

/** The page shows this many ended sessions. */
const maxEndedSessions = 10;

/** What was wrong with the last form. */
interface AccountProblems {
  passwordProblem?: PasswordProblem;
  dataProblem?: DataProblem;
  emailProblem?: Pick<EmailPart, 'problem' | 'typed'>;
  /** What was typed and not accepted. */
  profile?: Pick<ProfilePart, 'values' | 'problem'>;
}

/** Answers with the account page of this visitor. */
export async function sendAccountPage(
  deps: Deps,
  ctx: Context,
  visitor: Visitor,
  { passwordProblem, dataProblem, emailProblem, profile }: AccountProblems = {},
): Promise<void> {
  const { db, clock } = deps;
  const { user } = visitor;
  const [live, ended, browsers, consents, email] = await Promise.all([
    listLiveSessions(db, user.id, { limit: maxLiveSessions }).then((found) =>
      withLoginUserAgents(deps, found),
    ),
    listEndedSessions(db, user.id, maxEndedSessions).then((found) => withLoginUserAgents(deps, found)),
    listBrowserSessions(db, user.id),
    listConsents(db, user.id),
    emailPartOf(deps, visitor),
  ]);
  const granted = consents.map((one) => one.granted);
  const scopes = await scopeViewsOf(db, granted);
  const to = (local: string) => publicPath(deps, `/account${local}`);
  const devices = devicesOf(live, browsers, visitor, to);
  const flash = takeFlash(deps, ctx, visitor.id);
  const html = renderAccount(brandOf(deps), {
    now: new Date(clock.now()),
    csrf: csrfToken(deps, visitor.id),
    user: { username: displayName(user), email: user.email },
    ...(flash ? { flash } : {}),
    devices,
    ended: ended.map(endedSessionOf),
    consents: consents.map((one, index) => consentOf(one, scopes[index] ?? [], to)),
    ...(devices.length > 1 ? { endOthersAction: to('/sessions/end-others') } : {}),
    ...{ signOutAction: to('/logout'), accountUrl: to(''), deviceUrl: publicPath(deps, '/device') },
    password: user.password_hash
      ? { action: to('/password'), ...(passwordProblem ? { problem: passwordProblem } : {}) }
      : null,
    email: { ...email, ...emailProblem },
    profile: { action: to('/profile'), values: storedProfile(user), ...profile },
    data: {
      exportAction: to('/export'),
      deleteAction: to('/delete'),
      asks: user.password_hash ? 'current_password' : 'name',
      ...(dataProblem ? { problem: dataProblem } : {}),
    },
  });
  sendPage(deps, ctx, html, {
    imageUrls: consents.flatMap((one) => one.metadata.logo_uri ?? []),
    status: passwordProblem || dataProblem || emailProblem || profile ? 400 : 200,
  });
}

async function emailPartOf(deps: Deps, { user }: Visitor): Promise<EmailPart> {
  const canAsk = user.password_hash !== null && sendsMail(deps.config);
  const to = (local: string) => `${deps.config.issuerPath}/account${local}`;
  return {
    address: user.email,
    isProved: user.email_verified_at !== null,
    pending: await findPendingAddress(deps.db, user),
    action: canAsk ? to('/email') : null,
    verifyAction: to('/email/verify'),
  };
}

/** The values of the profile's form for what is stored. */
export function storedProfile(user: User): Partial<Record<ProfileField, string>> {
  const { app: _app, ...claims } = user.claims ?? {};
  return { ...claims, ...(user.username === null ? {} : { username: user.username }) };
}

function endedSessionOf(one: ListedSession): EndedSessionView {
  return {
    name: one.device_name,
    platform: one.device_platform,
    client: { name: one.client_name ?? one.client_id },
    userAgent: one.user_agent,
    endedAt: one.ended_at ?? one.last_used_at,
    reason: one.ended_reason,
  };
}

// A server-side app refreshes from its own machine, so the session's latest user agent is the app's. The user agent of the
// login names the user's browser.
async function withLoginUserAgents<Session extends WithUserAgent>(
  { db }: Deps,
  sessions: Session[],
): Promise<Session[]> {
  const unnamed = sessions.filter((one) => !one.device_name);
  const userAgents = await listLoginUserAgents(
    db,
    unnamed.map((one) => one.id),
  );
  return sessions.map((one) => ({ ...one, user_agent: userAgents.get(one.id) ?? one.user_agent }));
}

type WithUserAgent = { id: string; device_name: string | null; user_agent: string | null };

function consentOf(
  { client_id, metadata, created_at }: ListedConsent,
  scopes: ScopeView[],
  to: (local: string) => string,
) {
  // As on the consent page: a refresh token keeps access, whether or not the client asked for `offline_access`.
  const keepsAccess = metadata.grant_types?.includes('refresh_token') && !includesOfflineAccess(scopes);
  const shown = scopes.length > 0 ? scopes : [{ name: noScope }];
  return {
    client: {
      name: metadata.client_name ?? client_id,
      logoUrl: metadata.logo_uri ?? null,
      url: metadata.client_uri ?? null,
    },
    scopes: keepsAccess ? [...shown, { name: 'offline_access' }] : shown,
    since: created_at,
    withdrawAction: to(`/consents/${encodeURIComponent(client_id)}/withdraw`),
  };
}
