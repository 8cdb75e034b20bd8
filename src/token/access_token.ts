// Makes access tokens: JWTs (RFC 9068), or opaque ones with a record, which the resource server decides.
import { newTokenId, signAccessToken } from '../core/access_tokens/access_token_signer.ts';
import { claimsOfUser, namedClaimsOf } from '../core/access_tokens/user_claims.ts';
import type { Client } from '../core/clients/clients.ts';
import { requireSenderConstrained } from '../core/clients/security_profile.ts';
import type { Deps } from '../core/deps.ts';
import {
  type AccessTokenRecord,
  saveAccessTokenRecord,
} from '../core/engine_records/access_token_records.ts';
import { payloadOf, type TokenSession } from '../core/sessions/token_session.ts';
import { isUnavailable, unavailable } from '../core/store/database_errors.ts';
import type { Target } from './target.ts';

/** What a token is bound to: the key of a DPoP proof (RFC 9449) or a client certificate (RFC 8705); nothing for a bearer token. */
export type Binding = { jkt?: string; 'x5t#S256'?: string };

/** What an access token is made for, as in {@link Target}. */
type Form = Pick<Target, 'resource' | 'format' | 'typ' | 'ttl' | 'scope' | 'userinfo_scope' | 'server'>;

/** The access token of a session. `gty` names the grant types of the login and of this request; opaque tokens keep it. */
export async function issueSessionToken(
  deps: Deps,
  client: Client,
  session: TokenSession,
  target: Form,
  { binding, gty }: { binding: Binding; gty: string | undefined },
): Promise<string> {
  requireBound(client, binding);
  const { id, user_id } = session;
  const { userinfo_scope } = target;
  const extra = {
    ...namedClaimsOf(client, target.server, session),
    ...claimsOfUser(session),
    client_version: client.token_version,
    ...(userinfo_scope === undefined ? {} : { userinfo_scope }),
  };
  if (isJwt(target)) {
    return await signFor(deps, client, target, binding, { ...extra, sub: user_id, sid: id });
  }
  const { sessionUid, expiresWithSession, claims } = payloadOf(session);
  const payload = {
    ...{ accountId: user_id, gty, grantId: id, sid: id, sessionUid, expiresWithSession },
    // Userinfo reads the requested claims from a token that is good for nothing else.
    ...(target.resource === null ? { claims } : {}),
    extra,
  };
  return await storeFor(deps, client, target, binding, {
    model: 'AccessToken',
    payload,
    session_id: id,
    user_id,
  });
}

/** The access token of a client that acts for itself (RFC 6749, 4.4). */
export async function issueClientToken(
  deps: Deps,
  client: Client,
  target: Omit<Form, 'server'>,
  binding: Binding,
): Promise<string> {
  requireBound(client, binding);
  const extra = { client_version: client.token_version };
  if (isJwt(target)) return await signFor(deps, client, target, binding, { ...extra, sub: client.client_id });
  return await storeFor(deps, client, target, binding, {
    model: 'ClientCredentials',
    payload: { extra },
    session_id: null,
    user_id: null,
  });
}

function requireBound({ metadata }: Client, { jkt, 'x5t#S256': x5t }: Binding): void {
  requireSenderConstrained(metadata, Boolean(jkt ?? x5t));
}

// A token without audience is for this server alone, which needs no JWT.
function isJwt({ format, resource }: Pick<Form, 'format' | 'resource'>): boolean {
  return format === 'jwt' && resource !== null;
}

async function signFor(
  { config, keys, verifier, clock }: Deps,
  { client_id }: Client,
  { resource, scope, ttl, typ }: Omit<Form, 'server'>,
  binding: Binding,
  claims: Record<string, unknown>,
): Promise<string> {
  const all = {
    ...claims,
    iss: config.issuer,
    aud: resource,
    client_id,
    ...(scope ? { scope } : {}),
    ...(Object.keys(binding).length > 0 ? { cnf: binding } : {}),
  };
  const key = keys.ofAccessTokens();
  const token = await signAccessToken(key, all, { now: Math.floor(clock.now() / 1000), ttl, typ });
  verifier.noteSigned(token, key);
  return token;
}

// A failed write is answered with 503. The refresh token that came before is answered again within the retry window.
async function storeFor(
  { db, clock, log }: Deps,
  { client_id }: Client,
  { resource, scope, ttl }: Omit<Form, 'server'>,
  binding: Binding,
  { model, payload, session_id, user_id }: Omit<AccessTokenRecord, 'token' | 'ttl'>,
): Promise<string> {
  const token = newTokenId();
  const iat = Math.floor(clock.now() / 1000);
  const complete = {
    ...{ iat, exp: iat + ttl, kind: model, clientId: client_id },
    ...(resource === null ? {} : { aud: resource }),
    ...payload,
    ...binding,
    // The engine leaves out the scope of a client's own token when it is empty.
    ...(scope || model === 'AccessToken' ? { scope } : {}),
  };
  try {
    await saveAccessTokenRecord(db, { model, token, payload: complete, session_id, user_id, ttl });
  } catch (error) {
    if (!isUnavailable(error)) log.error({ err: error }, 'the record of an access token was not written');
    throw unavailable(error);
  }
  return token;
}
