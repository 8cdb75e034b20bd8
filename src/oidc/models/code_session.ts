// The session behind a code: opened when the code is issued, and completed by its one exchange.
import { type AuthorizationCode, type DeviceCode, errors, type KoaContextWithOIDC } from 'oidc-provider';
import { findObstacle } from '../../core/actions/consents.ts';
import type { Client } from '../../core/clients/clients.ts';
import { keepDocumentClient } from '../../core/clients/document_clients.ts';
import type { Deps } from '../../core/deps.ts';
import { isBrowserSession } from '../../core/engine_records/browser_session_records.ts';
import { consumeRecord } from '../../core/engine_records/single_use.ts';
import { type RequestSource, requestSourceOf } from '../../core/request_source.ts';
import { endSession } from '../../core/sessions/end_sessions.ts';
import { exchangeCode } from '../../core/sessions/exchange_code.ts';
import { openSession } from '../../core/sessions/open_session.ts';
import type { Capped } from '../../core/sessions/session_cap.ts';
import type { EndedReason, Session } from '../../core/sessions/sessions.ts';
import type { Renewal } from '../../core/sessions/silent_renewal.ts';
import type { User } from '../../core/users/users.ts';
import { digest } from '../../lib/crypto.ts';
import { clientRow, currentRequest, knownSession } from '../request/context.ts';
import { provedUser } from '../request/seen.ts';

/** Seconds beyond a code's own lifetime for which its session waits for the exchange. */
export const exchangeSlack = 30;

// Every ID token of the session says when and how the user logged in.
const loginClaims = { auth_time: null, acr: null, amr: null };

type EngineCode = AuthorizationCode | DeviceCode;

const grantTypes: Record<string, string> = {
  AuthorizationCode: 'authorization_code',
  DeviceCode: 'urn:ietf:params:oauth:grant-type:device_code',
};

/**
 * Opens the session of a code. That happens when the code is issued and not at its exchange, so that a second use of the code
 * has a session to end; until the exchange the session lives no longer than the code.
 */
export async function openLogin(deps: Deps, code: EngineCode, source: RequestSource): Promise<void> {
  const { db, config } = deps;
  const { grant, client, session: browser } = currentRequest().oidc;
  const row = clientRow(client);
  const { grantId, accountId } = code;
  if (!grant || !grantId || !accountId) throw new Error('a code is issued without a login');
  code.sid = grantId;
  code.claims = { ...code.claims, id_token: { ...loginClaims, ...code.claims?.id_token } };
  await keepDocumentClient(db, row, source);
  const proved = provedUser(accountId);
  const opened = await openSession(db, {
    id: grantId,
    user_id: accountId,
    proved_hash: proved?.password_hash ?? null,
    proved_epoch: proved?.session_epoch ?? null,
    client_id: row.client_id,
    device_id: null,
    grant_payload: { openid: grant.openid, resources: grant.resources },
    token_payload: { ...loginOf(code), ...(isRenewal(browser, proved) ? { renews: true } : {}) },
    idle_ttl: code.remainingTTL + exchangeSlack,
    absolute_ttl: row.session_absolute_ttl ?? config.sessionAbsoluteTtl,
    browser_session: browser?.uid ? digest(browser.uid) : null,
    source,
  });
  const reason = opened && (await overtakenBy(deps, opened, browser, row));
  if (opened && !reason) return;
  if (opened && reason) await endSession(db, opened.id, { reason, actor: 'system', actor_id: null, source });
  throw new errors.AccessDenied('The user may no longer log in.');
}

// When and how the user logged in.
function loginOf({ authTime, amr, acr }: EngineCode): object {
  return { authTime, amr, acr };
}

// Whether no login belongs to this request: the browser was signed in before.
function isRenewal(browser: object | undefined, proved: User | null): boolean {
  return proved === null && (browser as { storedAs?: string } | undefined)?.storedAs !== undefined;
}

// Why the login ended while its code was being made, or null. Called after the session was opened: the end of the browser session or
// the withdrawal of the consent is then either seen here or finds the session. The password and the user's epoch are conditions of
// the statement that opens it.
async function overtakenBy(
  { db }: Deps,
  opened: Session,
  browser: object | undefined,
  { first_party }: Client,
): Promise<EndedReason | null> {
  const { uid, storedAs } = (browser ?? {}) as { uid?: string; storedAs?: string };
  // A login of this very request is stored only with its answer.
  const id = uid === undefined || storedAs === undefined ? null : digest(uid);
  if (!first_party) return await findObstacle(db, opened, id);
  return id === null || (await isBrowserSession(db, opened.user_id, id)) ? null : 'logout';
}

/** Exchanges a code. Of several exchanges at once one succeeds; the others end its session (RFC 6749, 4.1.2). */
export async function exchange(deps: Deps, model: string, code: EngineCode): Promise<void> {
  const { db, config } = deps;
  const ctx = currentRequest();
  const row = clientRow(ctx.oidc.client);
  const { grantId } = code;
  if ('error' in code && code.error !== undefined) {
    await consumeRecord(db, model, code.jti);
    return;
  }
  if (!grantId) throw new Error('a code is exchanged without a session');
  const outcome = await exchangeCode(
    db,
    { model, handle: code.jti },
    {
      session: { id: grantId, grant_payload: {} },
      token_payload: { ...loginOf(code), gty: grantTypes[model] },
      idle_ttl: row.session_idle_ttl ?? config.sessionIdleTtl,
    },
    { renewal: renewalOf(deps, ctx, code), capped: cappedOf(ctx, code) },
  );
  if (outcome === 'exchanged') return;
  if (outcome === 'ended') throw new errors.InvalidGrant('the session has ended');
  const source = requestSourceOf(ctx);
  await endSession(db, grantId, { reason: 'code_reused', actor: 'client', actor_id: row.client_id, source });
  throw new errors.InvalidGrant('the code has been used before');
}

// The cap under which the session of this code begins; null where the client has none.
function cappedOf(ctx: KoaContextWithOIDC, { grantId, accountId }: EngineCode): Capped | null {
  const { client_id, max_sessions } = clientRow(ctx.oidc.client);
  if (max_sessions === null || !grantId || !accountId) return null;
  return { id: grantId, user_id: accountId, client_id, max_sessions, source: requestSourceOf(ctx) };
}

// The session of a code that was obtained without a new login, which may replace an earlier one. Null for any other code: a device
// has a session of its own, whichever browser allowed it.
function renewalOf({ config }: Deps, ctx: KoaContextWithOIDC, code: EngineCode): Renewal | null {
  const session = knownSession(ctx);
  const { grantId, authTime } = code;
  if (session?.id !== grantId || !session?.browser_session || !session.token_payload.renews) return null;
  if (authTime === undefined) return null;
  const access_token_ttl = clientRow(ctx.oidc.client).access_token_ttl ?? config.accessTokenTtl;
  return { session, auth_time: authTime, access_token_ttl, source: requestSourceOf(ctx) };
}
