// The engine's refresh token, made ours: found by derivation, consumed by rotation, never stored.
import { type RefreshToken as EngineRefreshToken, errors, type KoaContextWithOIDC } from 'oidc-provider';
import { resolveAndApplyResource } from 'oidc-provider/lib/helpers/grants.js';
import { retryWindowOf } from '../../core/clients/clients.ts';
import type { Deps } from '../../core/deps.ts';
import { withLimit } from '../../core/limits/attempts.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { endSession } from '../../core/sessions/end_sessions.ts';
import { findSession, type SessionWithUser } from '../../core/sessions/find_session.ts';
import { expiresAt } from '../../core/sessions/live_session.ts';
import { completeSession } from '../../core/sessions/open_session.ts';
import {
  decodeRefreshToken,
  mintRefreshToken,
  verifyRefreshToken,
} from '../../core/sessions/refresh_token.ts';
import { type Rotation, rotate } from '../../core/sessions/rotation.ts';
import { giveReason } from '../../token/reason.ts';
import {
  clientRow,
  currentRequest,
  knownGeneration,
  knownSession,
  rememberGeneration,
  rememberSession,
} from '../request/context.ts';
import { limited } from '../request/errors.ts';

type Base = typeof EngineRefreshToken;

/** What we build on. The published types call the accessors properties, which a subclass could not override. */
interface EngineModel {
  jti: string;
  accountId: string;
  clientId: string;
  grantId: string;
  readonly scopes: Set<string>;
  readonly resourceIndicators: Set<string>;
}
type EngineModelClass = new (payload: object) => EngineModel;
type Model = EngineModel & { presented: number };

/** The subclass that the provider answers with for `RefreshToken`; its name is what the engine stores as `kind`. */
export function refreshTokenModel(deps: Deps, base: Base): Base {
  const Base = base as unknown as EngineModelClass;
  class RefreshToken extends Base {
    /** The generation of the token that was presented. */
    presented = 0;

    /** Answers for old generations too, so that `consume` can see the reuse; never for a session that is over. */
    static async find(value: string): Promise<RefreshToken | undefined> {
      const found = await findPresented(deps, value);
      if (!found) return undefined;
      const model = new RefreshToken(found.payload);
      model.presented = found.generation;
      return model;
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

    /** The rotation. Everything that can refuse the request for another reason comes first: a refusal costs nothing. */
    async consume(): Promise<void> {
      const ctx = currentRequest();
      await checkTargets(ctx, this);
      refuseIfGone(ctx);
      await rotatePresented(deps, ctx, this);
    }

    /** The value to hand out: that of the generation which the rotation gave, the same for every retry. */
    async save(): Promise<string> {
      const ctx = currentRequest();
      const session = knownSession(ctx);
      if (!session) throw new Error('a refresh token is saved without its session');
      if (isCodeExchange(ctx)) await keepPayload(deps, ctx, this);
      this.jti = mintRefreshToken(deps.keyring, session, knownGeneration(ctx));
      return this.jti;
    }

    /** Revoking a refresh token ends its session. */
    async destroy(): Promise<void> {
      await endSessionOfToken(deps, this.grantId, this.clientId);
    }
  }
  return RefreshToken as unknown as Base;
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

// The engine resolves `resource` only after `consume`; a request that it would refuse there must not have rotated.
async function checkTargets(ctx: KoaContextWithOIDC, token: Model): Promise<void> {
  const { AccessToken } = ctx.oidc.provider;
  const { grant, client } = ctx.oidc;
  if (!grant || !client) throw new Error('a refresh token is consumed before its grant was loaded');
  const probe = new AccessToken({
    client,
    accountId: token.accountId,
    grantId: token.grantId,
    gty: 'refresh_token',
  });
  // Of several the engine looks at the first alone.
  const resources = [ctx.oidc.params?.resource ?? []].flat();
  if (!resources.every((one) => token.resourceIndicators.has(one as string)))
    throw new errors.InvalidTarget();
  const scope = ctx.oidc.params?.scope ? ctx.oidc.requestParamScopes : token.scopes;
  await resolveAndApplyResource(ctx.oidc.provider, ctx as never, token, probe, grant, scope);
  const { dpop } = knownSession(ctx)?.token_payload ?? {};
  // A confidential client's refresh token is bound by its authentication; but once it asked for bound access tokens,
  // whoever stole its secret must not get plain ones.
  if (dpop && !ctx.get('DPoP')) throw new errors.InvalidGrant('DPoP proof JWT not provided');
}

// An app that gave up on a slow node asks another and goes on with what that one answers. When the slow one gets to it at
// last, its token looks like a stolen one; but nobody can hear the answer, so nobody gains by it or is to be punished.
function refuseIfGone(ctx: KoaContextWithOIDC): void {
  if (!ctx.writable) throw new errors.InvalidRequest('whoever asked has gone');
}

async function rotatePresented(deps: Deps, ctx: KoaContextWithOIDC, token: Model): Promise<void> {
  const { db, config, limits, audit } = deps;
  const client = clientRow(ctx.oidc.client);
  const session = knownSession(ctx);
  const source = requestSourceOf(ctx);
  const work = () =>
    rotate(db, {
      session_id: token.grantId,
      generation: token.presented,
      retry_window: retryWindowOf(client),
      observe: client.rotation_profile === 'observe',
      // A client that nobody vouches for could make its users' tokens at other clients inactive as often as it likes.
      raise_token_version: config.reuseRaisesTokenVersion && client.registered_by === 'admin',
      source,
    });
  const isRetry = token.presented !== session?.generation;
  const rotation = await (isRetry ? work() : limited(withLimit(limits.refresh, [token.grantId], work)));
  if (!('generation' in rotation)) throw refusal(ctx, rotation.outcome);
  rememberGeneration(ctx, rotation.generation);
  audit.add({
    type: rotation.outcome === 'rotated' ? 'refresh_token_rotated' : 'refresh_token_retried',
    user_id: token.accountId,
    session_id: token.grantId,
    client_id: client.client_id,
    detail: { generation: rotation.generation },
    ...source,
  });
}

const reasons: Record<Exclude<Rotation['outcome'], 'rotated' | 'retried'>, string> = {
  reused: 'token_reused',
  ended: 'session_ended',
  expired: 'session_expired',
  unknown: 'session_ended',
};

function refusal(ctx: KoaContextWithOIDC, outcome: keyof typeof reasons): Error {
  giveReason(ctx, reasons[outcome]);
  return new errors.InvalidGrant(`refresh token: ${outcome}`);
}
