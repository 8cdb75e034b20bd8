// The engine's accounts: our users, with the claims that tokens carry (OpenID Connect Core 5.4, RFC 9068).
import type { Account, KoaContextWithOIDC } from 'oidc-provider';
import { accountClaims, type ClaimedUser } from '../../core/access_tokens/account_claims.ts';
import { claimsOfUser, namedClaimsOf } from '../../core/access_tokens/user_claims.ts';
import type { Deps } from '../../core/deps.ts';
import type { SessionWithUser } from '../../core/sessions/find_session.ts';
import { isActive } from '../../core/users/active_users.ts';
import { findUser } from '../../core/users/users.ts';
import { parseId } from '../../lib/ids.ts';
import { giveReason } from '../../token/reason.ts';
import { clientRow, knownSession, sessionOf } from './context.ts';
import { findKnownServer } from './known_clients.ts';
import { provedUser } from './seen.ts';

/** The account behind a token, or undefined when its user may not use it any more. */
export async function findAccount(
  deps: Deps,
  ctx: KoaContextWithOIDC,
  sub: string,
  token?: object,
): Promise<Account | undefined> {
  const { grantId } = (token ?? {}) as { grantId?: string };
  if (grantId === undefined) return await findVisitor(deps, sub);
  const session = await sessionOf(ctx, deps, grantId);
  if (!session || session.user_id !== sub) return undefined;
  if (!session.user_is_active) {
    giveReason(ctx, `account_${session.user_status}`);
    return undefined;
  }
  return accountOf(session);
}

// On the login pages there is no session yet, only the user of the browser session.
async function findVisitor({ db }: Deps, sub: string): Promise<Account | undefined> {
  const id = parseId(sub);
  const user = id ? (provedUser(id) ?? (await findUser(db, id))) : null;
  return user && (await isActive(db, user)) ? accountOf({ ...user, user_id: user.id }) : undefined;
}

/** The account of a session's user. */
export function accountOf(session: ClaimedUser & Pick<SessionWithUser, 'user_id'>): Account {
  return {
    accountId: session.user_id,
    claims: async () => ({
      sub: session.user_id,
      ...accountClaims(session),
    }),
  };
}

/** The claims of an access token about its client and, except with `client_credentials`, its user, beside the standard ones. */
export async function extraClaims(
  deps: Deps,
  ctx: KoaContextWithOIDC,
  token: object,
): Promise<Record<string, unknown> | undefined> {
  const { client } = ctx.oidc;
  const ofClient = client ? { client_version: clientRow(client).token_version } : {};
  const session = knownSession(ctx);
  const { kind, aud } = token as { kind: string; aud?: string };
  if (kind !== 'AccessToken' || !session || !client) return ofClient;
  const server = aud === undefined ? null : await findKnownServer(deps, aud);
  return { ...namedClaimsOf(clientRow(client), server, session), ...claimsOfUser(session), ...ofClient };
}
