// What the account page shows, gathered from the rows.
import type { Context } from 'koa';
import { listBrowserSessions } from '../core/browser_sessions.ts';
import { type ListedConsent, listConsents } from '../core/consents.ts';
import type { Services } from '../core/services.ts';
import { type LiveSession, listEndedSessions, listLiveSessions } from '../core/session_list.ts';
import { renderAccount } from '../pages/account.ts';
import type { PasswordProblem } from '../pages/account_texts.ts';
import type { Visitor } from './browser.ts';
import { takeFlash } from './flash.ts';
import { brandOf, csrfToken, path, showPage } from './html.ts';

/** How many ended sessions are shown. */
const endedShown = 10;

/** Shows the page of this visitor. */
export async function showAccount(
  services: Services,
  ctx: Context,
  visitor: Visitor,
  { passwordProblem }: { passwordProblem?: PasswordProblem } = {},
): Promise<void> {
  const { db, clock } = services;
  const { user } = visitor;
  const [live, ended, browsers, consents] = await Promise.all([
    listLiveSessions(db, user.id, { limit: 200 }),
    listEndedSessions(db, user.id, endedShown),
    listBrowserSessions(db, user.id),
    listConsents(db, user.id),
  ]);
  const to = (local: string) => path(services, `/account${local}`);
  const flash = takeFlash(services, ctx, visitor.id);
  const html = renderAccount(brandOf(services), {
    now: new Date(clock.now()),
    csrf: csrfToken(services, visitor.id),
    user: { username: user.username, email: user.email },
    ...(flash ? { flash } : {}),
    sessions: live.map((one) => ({ ...viewOf(one, visitor), ...actionsOf(one, to) })),
    ended: ended.map((one) => ({
      ...viewOf(one, visitor),
      endedAt: one.ended_at ?? one.last_used_at,
      reason: one.ended_reason,
    })),
    browserSessions: browsers.map((one) => ({
      userAgent: one.user_agent,
      ip: one.ip,
      createdAt: one.created_at,
      isCurrent: one.second_id === visitor.id,
      endAction: to(`/browsers/${one.second_id}/end`),
    })),
    consents: consents.map((one) => consentOf(one, to)),
    ...(live.length + browsers.length > 1 ? { endOthersAction: to('/sessions/end-others') } : {}),
    signOutAction: to('/logout'),
    password: user.password_hash
      ? { action: to('/password'), ...(passwordProblem ? { problem: passwordProblem } : {}) }
      : null,
  });
  showPage(services, ctx, html, {
    imageUrls: consents.flatMap((one) => one.metadata.logo_uri ?? []),
    status: passwordProblem ? 400 : 200,
  });
}

type Shown = Omit<LiveSession, 'expires_at' | 'generation'>;

function viewOf(one: Shown, visitor: Visitor) {
  return {
    id: one.id,
    name: one.device_name,
    platform: one.device_platform,
    client: { name: one.client_name ?? one.client_id },
    ip: one.ip,
    userAgent: one.user_agent,
    createdAt: one.created_at,
    lastUsedAt: one.last_used_at,
    isCurrent: one.browser_session === visitor.id,
  };
}

function actionsOf(one: Shown, to: (local: string) => string) {
  return {
    endAction: to(`/sessions/${one.id}/end`),
    ...(one.device_id ? { renameAction: to(`/devices/${one.device_id}/rename`) } : {}),
  };
}

function consentOf(
  { client_id, metadata, granted, created_at }: ListedConsent,
  to: (local: string) => string,
) {
  const foreign = Object.entries(granted.resources).flatMap(([resourceServer, scopes]) =>
    scopes.map((name) => ({ name, resourceServer })),
  );
  return {
    client: {
      name: metadata.client_name ?? client_id,
      logoUrl: metadata.logo_uri ?? null,
      url: metadata.client_uri ?? null,
    },
    scopes: [...granted.openid.map((name) => ({ name })), ...foreign],
    since: created_at,
    withdrawAction: to(`/consents/${encodeURIComponent(client_id)}/withdraw`),
  };
}
