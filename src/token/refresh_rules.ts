// The rules of a refresh that the row of the session does not decide alone: whose token it is, what it is bound to, and which
// scopes it has. The texts of refusals name as much of the cause as the client may know.
import { grantableOidc, splitScope } from '../core/access_tokens/grantable_scopes.ts';
import type { Client } from '../core/clients/clients.ts';
import { isOwned, listScopeOwners } from '../core/clients/scope_owners.ts';
import type { Deps } from '../core/deps.ts';
import { findEndedReason } from '../core/sessions/ended_reason.ts';
import { type PresentedSession, reasonOver } from '../core/sessions/presented_session.ts';
import { describeReason } from '../core/sessions/refusals.ts';
import { payloadOf } from '../core/sessions/token_session.ts';
import { certificateThumbprint } from '../lib/certificate.ts';
import { AppError } from '../lib/errors.ts';
import type { Binding } from './access_token.ts';
import { bindingBy, demandsOf, logged, missing } from './binding.ts';
import type { GrantRequest } from './grant.ts';

/** A refusal with `invalid_grant`, after a statement has compared the version of the client cache. */
export function refuseGrant(
  description: string,
  logDetail: string,
  reason?: string,
  endedReason?: string | null,
): AppError {
  return new AppError('invalid_grant', description, {
    logDetail,
    isDecided: true,
    ...(reason ? { reason } : {}),
    ...(endedReason ? { endedReason } : {}),
  });
}

/** An unknown token and a token of another client get the same answer. */
export function unknownToken({ logDetail = 'refresh token not found', isDecided = true } = {}): AppError {
  const description = 'The refresh token is unknown, or belongs to another client.';
  return new AppError('invalid_grant', description, { logDetail, isDecided });
}

/** Refuses a token of another client, and of a session that is over. Only its own client learns why, and why the session ended. */
export async function requireLiveSession(
  { db }: Pick<Deps, 'db'>,
  session: PresentedSession,
  client_id: string,
): Promise<void> {
  const reason = reasonOver(session);
  if (session.client_id !== client_id) {
    throw unknownToken(reason ? {} : { logDetail: 'client mismatch' });
  }
  if (!reason) return;
  const message = session.user_is_active ? null : session.status_message;
  const endedReason = reason === 'session_ended' ? await findEndedReason(db, session.id, session) : null;
  const description = message ?? describeReason(reason) ?? reason;
  throw refuseGrant(description, 'refresh token not found', reason, endedReason);
}

type Asked = Pick<GrantRequest, 'known' | 'proof' | 'certificate'>;

/**
 * The thumbprint of the certificate to which the tokens are bound, or null. Refuses a request without the certificate (RFC 8705, 4)
 * or the proof (RFC 9449, 5) that the client demands, or with another certificate than that of the refresh token.
 */
export function requireCertificate(
  deps: Pick<Deps, 'config'>,
  request: Asked,
  session: PresentedSession,
): string | null {
  const { proof, certificate } = request;
  const demands = demandsOf(deps, request);
  const x5t = payloadOf(session)['x5t#S256'];
  const isNeeded = demands.certificate || Boolean(x5t);
  if (isNeeded && !certificate) throw refuseGrant(missing.certificate, logged.certificate);
  if (demands.proof && !proof) throw refuseGrant(missing.proof, logged.proof);
  const thumbprint = isNeeded && certificate ? certificateThumbprint(certificate) : null;
  if (!x5t || x5t === thumbprint) return thumbprint;
  const description = 'The refresh token is bound to another client certificate.';
  throw refuseGrant(description, 'failed x5t#S256 verification');
}

/** Refuses a request without a proof by the key to which the refresh token is bound. */
export function requireKey({ proof }: Asked, session: PresentedSession): void {
  const { jkt } = payloadOf(session);
  if (!jkt || jkt === proof?.thumbprint) return;
  const other = 'The refresh token is bound to another key than that of the DPoP proof.';
  throw refuseGrant(proof ? other : missing.proof, 'failed jkt verification');
}

/** What the access token is bound to: the key of the proof, or the certificate. */
export function requireTokenBinding(
  { proof }: Asked,
  session: PresentedSession,
  thumbprint: string | null,
): Binding {
  // A confidential client's refresh token is bound by its authentication; but once it has used bound access tokens, a thief of
  // its secret must not get unbound ones.
  if (payloadOf(session).dpop && !proof) throw refuseGrant(missing.proof, logged.proof);
  return bindingBy(proof, thumbprint);
}

/**
 * Refuses a scope that the session does not have (RFC 6749, 6). Many libraries repeat the scope of the login, so what the login ignored is
 * ignored here too, as long as the request names a scope that the session has.
 */
export async function requireScope(
  deps: Deps,
  { known, form: { scope } }: GrantRequest,
  session: PresentedSession,
): Promise<void> {
  if (scope === undefined) return;
  const held = new Set(splitScope(payloadOf(session).scope));
  const asked = [...new Set(scope.split(' '))];
  const others = asked.filter((one) => !held.has(one));
  const missing = others.length < asked.length ? await findMissing(deps, known, others) : others;
  if (missing.length === 0) return;
  const noun = missing.length === 1 ? 'scope' : 'scopes';
  throw new AppError('invalid_scope', `refresh token missing requested ${noun}`, { isDecided: true });
}

// The scopes of these that the login would not have ignored.
async function findMissing(
  { db, config }: Deps,
  { client, servers }: GrantRequest['known'],
  scopes: string[],
): Promise<string[]> {
  // A mere name: sessions of earlier versions of this server lack it.
  const unusual = scopes.filter((one) => one !== 'offline_access');
  if (unusual.length === 0) return [];
  const owners = await listScopeOwners(db, servers, config.resource);
  return unusual.filter((one) => !wasIgnored(one, client) || isOwned(owners, one));
}

// A login ignores a scope that is no scope of a resource server, and of the server's own scopes those that the client may not have.
function wasIgnored(scope: string, client: Client): boolean {
  return /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope) && !grantableOidc(client).includes(scope);
}
