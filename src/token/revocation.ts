// Revocation (RFC 7009), whole: a client gives back a token of its own, and the answer is `{}` whatever the token was. Both entrances
// call it, with an authenticated client.
import { isJwt } from '../core/access_tokens/access_tokens.ts';
import { deleteOpaque, type TokenOwner } from '../core/access_tokens/opaque_tokens.ts';
import { revokeAccessToken } from '../core/access_tokens/revoked_tokens.ts';
import type { Registered } from '../core/clients/client_cache.ts';
import type { Deps } from '../core/deps.ts';
import { type RequestSource, requestSourceOf } from '../core/request_source.ts';
import { decodeRefreshToken, isMinted, looksLikeRefreshToken } from '../core/sessions/refresh_token.ts';
import { revokeSession } from '../core/sessions/revoke_session.ts';
import { parseId } from '../lib/ids.ts';
import type { DirectAction } from './direct_entrance.ts';
import { OutdatedClient } from './grant.ts';

/** Revocation at the direct entrance. */
export function directRevocation(deps: Deps): DirectAction {
  return {
    parameters: ['token', 'token_type_hint'],
    allows: (_known, { form }) => form.token !== undefined,
    async answer(ctx, { form: { token = '' } }, known) {
      return await revoke(deps, { known, source: requestSourceOf(ctx) }, token);
    },
  };
}

/** The client that revokes a token, and the source of its request. */
interface Revoker {
  known: Registered;
  source: RequestSource;
}

/**
 * Revokes a token of the client: a refresh token of any generation ends its session, an access token becomes inactive alone. A string
 * that is no token of this client changes nothing, and the answer does not say so (RFC 7009, 2.2). Throws {@link OutdatedClient}.
 */
export async function revoke(deps: Deps, revoker: Revoker, token: string): Promise<object> {
  const isCurrent = looksLikeRefreshToken(token)
    ? await revokeRefreshToken(deps, revoker, token)
    : isJwt(token)
      ? await revokeJwt(deps, revoker, token)
      : await revokeOpaque(deps, revoker, token);
  if (!isCurrent) throw new OutdatedClient();
  return {};
}

async function revokeRefreshToken(
  { db, keyring, clientCache }: Deps,
  { known, source }: Revoker,
  value: string,
): Promise<boolean> {
  const token = decodeRefreshToken(value);
  if (!token || !isMinted(keyring, token)) return await clientCache.isCurrent(known.version);
  return await revokeSession(db, { token, known, source });
}

async function revokeJwt(deps: Deps, revoker: Revoker, token: string): Promise<boolean> {
  const { client, version } = revoker.known;
  const claims = deps.verifier.read(token);
  if (claims?.client_id !== client.client_id) return await deps.clientCache.isCurrent(version);
  if (!(await revokeAccessToken(deps.db, version, claims))) return false;
  const sid = parseId(claims.sid);
  const { sub } = claims;
  recordRevocation(deps, revoker, { user_id: sid === null ? null : sub, session_id: sid });
  return true;
}

async function revokeOpaque(deps: Deps, revoker: Revoker, token: string): Promise<boolean> {
  const { client, version } = revoker.known;
  const { client_id } = client;
  const { is_current_version, owner } = await deleteOpaque(deps.db, token, { client_id, version });
  if (owner) recordRevocation(deps, revoker, owner);
  return is_current_version;
}

// A revoked refresh token has no event of its own: its session has ended.
function recordRevocation({ audit }: Deps, { known, source }: Revoker, owner: TokenOwner): void {
  const { client_id } = known.client;
  audit.add({
    type: 'access_token_revoked',
    ...owner,
    client_id,
    actor: 'client',
    actor_id: client_id,
    ...source,
  });
}
