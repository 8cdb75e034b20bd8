// The engine's refresh token, made ours: found by derivation and never stored. The engine issues the first one of a login by a code;
// src/token rotates it.
import { errors, type KoaContextWithOIDC, type Provider } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { endSession } from '../../core/sessions/end_sessions.ts';
import { completeSession } from '../../core/sessions/exchange_code.ts';
import { findSession, type SessionWithUser } from '../../core/sessions/find_session.ts';
import { expiresAt } from '../../core/sessions/live_session.ts';
import {
  decodeRefreshToken,
  mintRefreshToken,
  verifyRefreshToken,
} from '../../core/sessions/refresh_token.ts';
import { giveReason } from '../../token/reason.ts';
import { clientRow, currentRequest, knownSession, rememberSession } from '../request/context.ts';
import { subclass } from '../request/subclass.ts';

/** The members that we use. The published types declare accessors as properties, which a subclass could not override. */
interface EngineModel {
  jti: string;
  clientId: string;
  grantId: string;
}

type EngineModelClass = new (payload: object) => EngineModel;

/** The subclass for `RefreshToken`; its name is what the engine stores as `kind`. */
export function refreshTokenModel(deps: Deps, base: Provider['RefreshToken']): Provider['RefreshToken'] {
  return subclass(
    base,
    (Base: EngineModelClass) =>
      class RefreshToken extends Base {
        /** The generation of the token that was presented. */
        presented = 0;

        /** Answers for old generations too, which can be revoked; never for a session that is over. */
        static async find(value: string): Promise<RefreshToken | undefined> {
          const found = await findPresented(deps, value);
          return found
            ? Object.assign(new RefreshToken(found.payload), { presented: found.generation })
            : undefined;
        }

        /** Nothing to do: what belongs to a grant is a session, and that ends as one. */
        static async revokeByGrantId(): Promise<void> {}

        /** An old generation is no longer a valid token, although `find` answers for it (introspection asks). */
        get isValid(): boolean {
          return this.presented >= (knownSession(currentRequest())?.generation ?? 0);
        }

        /** Expiry was decided by the database's clock in `find`. */
        get isExpired(): boolean {
          return false;
        }

        async save(): Promise<string> {
          this.jti = await valueToHandOut(deps, currentRequest(), this);
          return this.jti;
        }

        /** Revoking a refresh token ends its session. */
        async destroy(): Promise<void> {
          await endSessionOfToken(deps, this.grantId, this.clientId);
        }
      },
  );
}

// The first token of the session.
async function valueToHandOut(deps: Deps, ctx: KoaContextWithOIDC, token: EngineModel): Promise<string> {
  const session = knownSession(ctx);
  if (!session) throw new Error('a refresh token is saved without its session');
  if (isCodeExchange(ctx)) await keepPayload(deps, ctx, token);
  return mintRefreshToken(deps.keyring, session, 0);
}

// A login by password writes its session whole; one by a code wrote it before the engine had made its refresh token.
function isCodeExchange(ctx: KoaContextWithOIDC): boolean {
  return ctx.oidc.authorizationCode !== undefined || ctx.oidc.deviceCode !== undefined;
}

// What differs from token to token, is the session's own, or leads to the browser session.
const changing = new Set(
  'jti kind iat exp iiat rotations consumed presented format expiresIn accountId clientId grantId sid sessionUid'.split(
    ' ',
  ),
);

// What every later token of the family has in common; ids and times are the session's own.
async function keepPayload(deps: Deps, ctx: KoaContextWithOIDC, token: EngineModel): Promise<void> {
  const session = knownSession(ctx);
  if (!session) throw new Error('a refresh token is saved without its session');
  const fields = Object.entries(token).filter(([name, value]) => !changing.has(name) && value !== undefined);
  const token_payload = { ...Object.fromEntries(fields), ...(ctx.get('DPoP') ? { dpop: true } : {}) };
  const idle_ttl = clientRow(ctx.oidc.client).session_idle_ttl ?? deps.config.sessionIdleTtl;
  if (!(await completeSession(deps.db, session, token_payload, idle_ttl))) {
    throw new errors.InvalidGrant('the session has ended');
  }
  rememberSession(ctx, { ...session, token_payload, idle_ttl });
}

async function findPresented(
  deps: Deps,
  value: string,
): Promise<{ payload: object; generation: number } | null> {
  const ctx = currentRequest();
  const decoded = decodeRefreshToken(value);
  if (!decoded) return null;
  const session = await findSession(deps.db, decoded.session_id);
  if (!session || !verifyRefreshToken(deps.keyring, decoded, session)) return null;
  const over = reasonOver(session);
  if (over) {
    if (ctx.oidc.client?.clientId === session.client_id) {
      giveReason(ctx, over, session.user_is_active ? null : session.status_message);
    }
    return null;
  }
  rememberSession(ctx, session);
  return { payload: tokenPayload(session, value), generation: decoded.generation };
}

/** Ends the session behind a token or a code: its client revoked it (RFC 7009, 2.1), or it was used twice. */
export async function endSessionOfToken(
  deps: Deps,
  id: string,
  client_id: string,
  reason: 'token_revoked' | 'code_reused' = 'token_revoked',
): Promise<void> {
  const source = requestSourceOf(currentRequest());
  await endSession(deps.db, id, { reason, actor: 'client', actor_id: client_id, source });
}

// A ban outlives the sessions that it ended, and is what the app has to tell its user.
function reasonOver(session: SessionWithUser): string | null {
  if (!session.user_is_active) return `account_${session.user_status}`;
  const { ended_at, ended_reason, is_current, is_expired } = session;
  if ((ended_at && ended_reason !== 'expired') || !is_current) return 'session_ended';
  return ended_at || is_expired ? 'session_expired' : null;
}

function tokenPayload(session: SessionWithUser, value: string): object {
  const issued = session.rotated_at ?? session.created_at;
  return {
    ...session.token_payload,
    kind: 'RefreshToken',
    jti: value,
    grantId: session.id,
    sid: session.id,
    accountId: session.user_id,
    clientId: session.client_id,
    iat: Math.floor(issued.getTime() / 1000),
    exp: Math.floor(expiresAt(session).getTime() / 1000),
  };
}
