// The engine's refresh token, made ours: never stored. The engine issues the first one of a login by a code; src/token does the rest.
import { errors, type KoaContextWithOIDC, type Provider } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { findEndedReason } from '../../core/sessions/ended_reason.ts';
import { completeSession } from '../../core/sessions/exchange_code.ts';
import type { SessionWithUser } from '../../core/sessions/find_session.ts';
import { mintRefreshToken } from '../../core/sessions/refresh_token.ts';
import { clientRow, currentRequest, knownSession, rememberSession } from '../request/context.ts';
import { subclass } from '../request/subclass.ts';

/** The members that we use. The published types declare accessors as properties, which a subclass could not override. */
interface EngineModel {
  jti: string;
}

type EngineModelClass = new (payload: object) => EngineModel;

/** The subclass for `RefreshToken`; its name is what the engine stores as `kind`. */
export function refreshTokenModel(deps: Deps, base: Provider['RefreshToken']): Provider['RefreshToken'] {
  return subclass(
    base,
    (Base: EngineModelClass) =>
      class RefreshToken extends Base {
        /** Nothing to do: what belongs to a grant is a session, and that ends as one. */
        static async revokeByGrantId(): Promise<void> {}

        async save(): Promise<string> {
          this.jti = await valueToHandOut(deps, currentRequest(), this);
          return this.jti;
        }
      },
  );
}

// The first token of the session.
async function valueToHandOut(deps: Deps, ctx: KoaContextWithOIDC, token: EngineModel): Promise<string> {
  const session = knownSession(ctx);
  if (!session) throw new Error('a refresh token is saved without its session');
  await keepPayload(deps, ctx, token, session);
  return mintRefreshToken(deps.keyring, session, 0);
}

// What differs from token to token, is the session's own, or leads to the browser session.
const changing = new Set(
  'jti kind iat exp iiat rotations consumed presented format expiresIn accountId clientId grantId sid sessionUid'.split(
    ' ',
  ),
);

// What every later token of the family has in common; ids and times are the session's own. The session was written before the engine
// made its refresh token.
async function keepPayload(
  deps: Deps,
  ctx: KoaContextWithOIDC,
  token: EngineModel,
  session: SessionWithUser,
): Promise<void> {
  const fields = Object.entries(token).filter(([name, value]) => !changing.has(name) && value !== undefined);
  const token_payload = { ...Object.fromEntries(fields), ...(ctx.get('DPoP') ? { dpop: true } : {}) };
  const idle_ttl = clientRow(ctx.oidc.client).session_idle_ttl ?? deps.config.sessionIdleTtl;
  const isCompleted = await completeSession(deps.db, session, token_payload, idle_ttl);
  // A cap refuses no login: if later ones have pushed this one out already, its tokens are handed out, and are dead.
  if (!isCompleted && (await findEndedReason(deps.db, session.id)) !== 'cap_evicted') {
    throw new errors.InvalidGrant('the session has ended');
  }
  rememberSession(ctx, { ...session, token_payload, idle_ttl });
}
