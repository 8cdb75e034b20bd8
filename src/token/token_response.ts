// The token response (RFC 6749, 5.1) of a session, at a login and at each refresh.
import type { Registered } from '../core/clients/client_cache.ts';
import type { Deps } from '../core/deps.ts';
import { expiresAt } from '../core/sessions/live_session.ts';
import { mintRefreshToken } from '../core/sessions/refresh_token.ts';
import { payloadOf, type TokenSession } from '../core/sessions/token_session.ts';
import { type Binding, issueSessionToken } from './access_token.ts';
import { issueIdToken } from './id_token.ts';
import type { Target } from './target.ts';

export interface Issue {
  session: TokenSession;
  /** The generation of the refresh token to hand out. */
  generation: number;
  target: Target;
  binding: Binding;
  /** The grant types of the login and of this request, see {@link issueSessionToken}. */
  gty: string | undefined;
}

/**
 * The tokens of a session, with a refresh token if the client may refresh, and with the further members `more`. An opaque
 * access token is written; if that fails, the answer is a 503.
 */
export async function tokenResponse(
  deps: Deps,
  { client }: Registered,
  { session, generation, target, binding, gty }: Issue,
  more: object = {},
): Promise<object> {
  const { keyring, clock } = deps;
  const refreshes = client.metadata.grant_types?.includes('refresh_token') === true;
  const [access_token, id_token] = await Promise.all([
    issueSessionToken(deps, client, session, target, { binding, gty }),
    target.asked.has('openid') ? issueIdToken(deps, client, session, target) : undefined,
  ]);
  // A session without any scope answers none.
  const hasScope = Boolean(payloadOf(session).scope || target.answered);
  return {
    access_token,
    expires_in: target.ttl,
    ...(id_token === undefined ? {} : { id_token }),
    ...(refreshes ? { refresh_token: mintRefreshToken(keyring, session, generation) } : {}),
    ...(hasScope ? { scope: target.answered } : {}),
    token_type: binding.jkt ? 'DPoP' : 'Bearer',
    ...more,
    ...(refreshes ? sessionMembers(session, clock.now()) : {}),
  };
}

/**
 * The members that Kindred adds to those of RFC 6749: the id of the session, and the seconds until it expires if it is not used
 * after `now`, in milliseconds.
 */
export function sessionMembers(
  session: Pick<TokenSession, 'id' | 'idle_ttl' | 'absolute_expires_at'>,
  now: number,
): { refresh_token_expires_in: number; session_id: string } {
  const ends = expiresAt({ ...session, last_used_at: new Date(now) }).getTime();
  return { refresh_token_expires_in: Math.max(0, Math.floor((ends - now) / 1000)), session_id: session.id };
}
