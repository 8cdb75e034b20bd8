// Introspection (RFC 7662), whole: which kind of token it is shows in the string, and one SELECT decides whether it is active.
// Both entrances call it, with an authenticated client that is not public.
import { isJwt } from '../core/access_tokens/access_tokens.ts';
import {
  describeClaims,
  describeOpaque,
  describeRefreshToken,
  describeUser,
  findIntrospection,
  isMeantFor,
} from '../core/access_tokens/introspection.ts';
import { findOpaque } from '../core/access_tokens/opaque_tokens.ts';
import type { Registered } from '../core/clients/client_cache.ts';
import type { Deps } from '../core/deps.ts';
import { findIntrospectedSession } from '../core/sessions/introspected_session.ts';
import { decodeRefreshToken, isMinted, looksLikeRefreshToken } from '../core/sessions/refresh_token.ts';
import type { DirectAction } from './direct_entrance.ts';
import { OutdatedClient } from './grant.ts';

/** Introspection at the direct entrance. A public client is left to the engine's entrance, which refuses it. */
export function directIntrospection(deps: Deps): DirectAction {
  return {
    parameters: ['token', 'token_type_hint'],
    allows: ({ client }, { form }) =>
      form.token !== undefined && client.metadata.token_endpoint_auth_method !== 'none',
    answer: (_ctx, { form: { token = '' } }, known) => introspect(deps, known, token),
  };
}

/**
 * The response about a token, of whatever kind: `{active: false}` for one that is not active or that the client may not ask about
 * (RFC 7662, 2.2). Throws {@link OutdatedClient}.
 */
export async function introspect(deps: Deps, known: Registered, token: string): Promise<object> {
  const about = looksLikeRefreshToken(token) ? aboutRefreshToken : isJwt(token) ? aboutJwt : aboutOpaque;
  return (await about(deps, known, token)) ?? { active: false };
}

async function aboutJwt({ db, verifier }: Deps, { client, version }: Registered, token: string) {
  const claims = verifier.read(token);
  const { is_current_version, is_live, ...user } = await findIntrospection(db, version, claims);
  if (!is_current_version) throw new OutdatedClient();
  if (!claims || !is_live || !isMeantFor(client, claims)) return null;
  return describeClaims(claims, describeUser(client, claims, user));
}

async function aboutOpaque({ db, config }: Deps, { client, version }: Registered, token: string) {
  const { is_current_version, record, user } = await findOpaque(db, token, version);
  if (!is_current_version) throw new OutdatedClient();
  if (!record || !isMeantFor(client, { client_id: record.clientId, aud: record.aud })) return null;
  return describeOpaque(record, config.issuer, describeUser(client, record, user));
}

// Only its own client may ask about a refresh token, and only the newest one is active.
async function aboutRefreshToken(
  { db, config, keyring, clientCache }: Deps,
  { client, version }: Registered,
  token: string,
) {
  const decoded = decodeRefreshToken(token);
  if (!decoded || !isMinted(keyring, decoded)) {
    if (!(await clientCache.isCurrent(version))) throw new OutdatedClient();
    return null;
  }
  const { is_current_version, session } = await findIntrospectedSession(db, version, decoded);
  if (!is_current_version) throw new OutdatedClient();
  return session?.client_id === client.client_id ? describeRefreshToken(session, config.issuer) : null;
}
