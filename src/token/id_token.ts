// Makes ID tokens (OpenID Connect Core 1.0, 2) at the token endpoint.
import { accountClaims, claimsOfScopes } from '../core/access_tokens/account_claims.ts';
import { heldOidc } from '../core/access_tokens/held_scopes.ts';
import type { Client } from '../core/clients/clients.ts';
import { idTokenAlg } from '../core/clients/response_algs.ts';
import type { Deps } from '../core/deps.ts';
import { signerOf } from '../core/keys/signers.ts';
import { grantOf, payloadOf, type TokenSession } from '../core/sessions/token_session.ts';
import { scopesInIdToken } from './id_token_claims.ts';
import type { Target } from './target.ts';

/** The ID token of a session. Only for a request whose scopes contain `openid`. */
export async function issueIdToken(
  { config, keys, clock }: Pick<Deps, 'config' | 'keys' | 'clock'>,
  client: Client,
  session: TokenSession,
  target: Pick<Target, 'resource' | 'asked'>,
): Promise<string> {
  const { nonce } = payloadOf(session);
  const iat = Math.floor(clock.now() / 1000);
  const { sub, ...claims } = selectClaims(client, session, target);
  const key = keys.current(idTokenAlg(client, keys.algs()));
  return await signerOf(
    key,
    undefined,
  )({
    ...claims,
    nonce,
    sid: session.id,
    aud: client.client_id,
    exp: iat + config.accessTokenTtl,
    iat,
    iss: config.issuer,
    sub,
  });
}

/** The claims about the login and not about the user: no consent is needed for them. */
const ofLogin = new Set(['sub', 'sid', 'auth_time', 'acr', 'amr', 'iss']);

// The claims of the granted scopes as far as they belong into the ID token, and those that the authorization request asked for and the
// user granted.
function selectClaims(
  client: Client,
  session: TokenSession,
  { resource, asked }: Pick<Target, 'resource' | 'asked'>,
): Record<string, unknown> {
  const { claims, acr, amr, authTime } = payloadOf(session);
  const grant = grantOf(session);
  const available: Record<string, unknown> = {
    ...accountClaims(session),
    sub: session.user_id,
    acr,
    amr,
    auth_time: authTime,
  };
  const held = heldOidc(client, grant).filter((one) => asked.has(one));
  const ofScopes = scopesInIdToken(client, held, resource).flatMap(claimsOf);
  const granted = new Set(grant.openid?.claims);
  const requested = Object.entries(claims?.id_token ?? {})
    .filter(([name, wish]) => isWish(wish) && (ofLogin.has(name) || granted.has(name)))
    .map(([name]) => name);
  const names = [...ofScopes, ...requested].filter((name) => Object.hasOwn(available, name));
  return Object.fromEntries(names.map((name) => [name, available[name]]));
}

function claimsOf(scope: string): string[] {
  const named = Object.entries(claimsOfScopes).find(([name]) => name === scope)?.[1];
  return named ?? [];
}

// A claim is requested by null or by an object (Core 1.0, 5.5.1).
function isWish(value: unknown): boolean {
  return typeof value === 'object' && !Array.isArray(value);
}
