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

/** What we build on. The published types call the accessors properties, which a subclass could not override. */
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

/** The rotation. Everything that can refuse the request for another reason comes first: a refusal costs nothing. */
export async function consumePresented(
  deps: Deps,
  ctx: KoaContextWithOIDC,
  token: PresentedToken,
): Promise<void> {
  await checkTargets(ctx, token);
  refuseIfGone(ctx);
  await rotatePresented(deps, ctx, token);
}

// The engine resolves `resource` only after `consume`; a request that it would refuse there must not have rotated.
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
  // Of several the engine looks at the first alone.
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
  // A confidential client's refresh token is bound by its authentication; but once it asked for bound access tokens,
  // whoever stole its secret must not get plain ones.
  if (dpop && !ctx.get('DPoP')) throw new errors.InvalidGrant('DPoP proof JWT not provided');
}

// An app that gave up on a slow node asks another and goes on with what that one answers. When the slow one gets to it at
// last, its token looks like a stolen one; but nobody can hear the answer, so nobody gains by it or is to be punished.
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
      // A client that nobody vouches for could make its users' tokens at other clients inactive as often as it likes.
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
