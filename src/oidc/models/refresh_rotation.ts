// The rotation of a refresh token that a client presented through the engine.
import { errors, type KoaContextWithOIDC, type TokenEndpointGrantContext } from 'oidc-provider';
import { resolveAndApplyResource } from 'oidc-provider/lib/helpers/grants.js';
import { retryWindowOf } from '../../core/clients/clients.ts';
import type { Deps } from '../../core/deps.ts';
import { withLimit } from '../../core/limits/attempts.ts';
import { requestSourceOf } from '../../core/request_source.ts';
import { type Rotation, rotate } from '../../core/sessions/rotation.ts';
import { giveReason } from '../../token/reason.ts';
import { clientRow, knownSession, rememberGeneration } from '../request/context.ts';
import { asRateLimitError } from '../request/errors.ts';

/** The members that we use. The published types declare accessors as properties, which a subclass could not override. */
export interface EngineModel {
  jti: string;
  accountId: string;
  clientId: string;
  grantId: string;
  readonly scopes: Set<string>;
  readonly resourceIndicators: Set<string | undefined>;
}

export interface PresentedToken extends EngineModel {
  /** The generation of the token that was presented. */
  presented: number;
}

/** Rotates the presented token. All other checks come first, so that a refused request does not use up the token. */
export async function consumePresented(
  deps: Deps,
  ctx: KoaContextWithOIDC,
  token: PresentedToken,
): Promise<void> {
  await checkTargets(ctx, token);
  refuseIfGone(ctx);
  await rotatePresented(deps, ctx, token);
}

// The engine resolves `resource` only after `consume`. A request that it would refuse there must not rotate, so it is checked
// here.
async function checkTargets(ctx: KoaContextWithOIDC, token: PresentedToken): Promise<void> {
  const { AccessToken } = ctx.oidc.provider;
  const { grant, client } = ctx.oidc;
  if (!grant || !client) throw new Error('a refresh token is consumed before its grant was loaded');
  const probe = new AccessToken({
    client,
    accountId: token.accountId,
    grantId: token.grantId,
    gty: 'refresh_token',
  });
  // Of several resources the engine checks only the first.
  const resources = [ctx.oidc.params?.resource ?? []].flat();
  if (!resources.every((one) => token.resourceIndicators.has(one as string)))
    throw new errors.InvalidTarget();
  const scope = ctx.oidc.params?.scope ? ctx.oidc.requestParamScopes : token.scopes;
  await resolveAndApplyResource(
    ctx.oidc.provider,
    ctx as TokenEndpointGrantContext,
    token,
    probe,
    grant,
    scope,
  );
  const { dpop } = knownSession(ctx)?.token_payload ?? {};
  // A confidential client's refresh token is bound by its authentication; but once it has used bound access
  // tokens, a thief of its secret must not get unbound ones.
  if (dpop && !ctx.get('DPoP')) throw new errors.InvalidGrant('DPoP proof JWT not provided');
}

// An app that gives up on a slow node retries at another node and continues with its answer. When the slow node processes the
// first request, its token looks reused. The client has disconnected and cannot receive an answer, so nothing is rotated and no
// session is ended.
function refuseIfGone(ctx: KoaContextWithOIDC): void {
  if (!ctx.writable) throw new errors.InvalidRequest('The client has disconnected.');
}

async function rotatePresented(deps: Deps, ctx: KoaContextWithOIDC, token: PresentedToken): Promise<void> {
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
      // Only for clients that an administrator made: others could make their users' tokens at other clients inactive at will.
      raise_token_version: config.reuseRaisesTokenVersion && client.registered_by === 'admin',
      source,
    });
  const isRetry = token.presented !== session?.generation;
  const rotation = await (isRetry
    ? work()
    : asRateLimitError(withLimit(limits.refresh, [token.grantId], work)));
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
