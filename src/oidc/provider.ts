// The engine with its configuration, our models in place of its own, and the checks and extras of all grants.
import { Provider, type TokenEndpointGrantContext } from 'oidc-provider';
import { resolveRequestedResources } from 'oidc-provider/lib/helpers/grants.js';
import type { Deps } from '../core/deps.ts';
import { expiresAt } from '../core/sessions/live_session.ts';
import { passwordParameters } from '../token/password_request.ts';
import { refresh, refreshParameters } from '../token/refresh.ts';
import { engineConfiguration } from './configuration.ts';
import { introspectionAndRevocation } from './endpoints/introspection_and_revocation.ts';
import { ownGrant } from './endpoints/own_grants.ts';
import { passwordGrant } from './endpoints/password_grant.ts';
import { recordEngineEvents } from './engine_events.ts';
import { accessTokenModel } from './models/access_token.ts';
import { authorizationCodeModel } from './models/authorization_code.ts';
import { browserSessionModel } from './models/browser_session.ts';
import { clientModel } from './models/client.ts';
import { deviceCodeModel } from './models/device_code.ts';
import { idTokenModel } from './models/id_token.ts';
import { interactionModel } from './models/interaction.ts';
import { oidcContextModel } from './models/oidc_context.ts';
import { refreshTokenModel } from './models/refresh_token.ts';
import { replayDetectionModel } from './models/replay_detection.ts';
import { secureCookiesByIssuer } from './pages/cookies.ts';
import { enginePages } from './pages/engine_pages.ts';
import { keepFormAnswers, repeatableInteraction } from './pages/repeated_forms.ts';
import { knownSession } from './request/context.ts';
import { defaultScopesOf, requireKnownScopes } from './request/resources.ts';

export type { Provider };

type Names = string | readonly string[] | ReadonlySet<string>;
type Handler<Params extends object> = (ctx: TokenEndpointGrantContext<Params>) => Promise<void> | void;

/** The engine registers its own grants by the same method, so this is where all of them get their checks and extras. */
class KindredProvider extends Provider {
  readonly deps: Deps;

  constructor(deps: Deps) {
    super(deps.config.issuer, engineConfiguration(deps, enginePages(deps)));
    this.deps = deps;
  }

  override registerGrantType<Params extends object>(
    name: string,
    handler: Handler<Params>,
    params?: Names,
    duplicates?: Names,
  ): void {
    // `deps` is read when the grant runs: the engine registers its own grants in its constructor, before it is set.
    const run: Handler<Params> = (ctx) => runGrant(this.deps, name, ctx, async () => await handler(ctx));
    super.registerGrantType(name, run, params, duplicates);
  }
}

/** Makes the engine for these dependencies. Signing keys are fixed for its life: when they change, make a new one. */
export function createProvider(deps: Deps): Provider {
  const provider = new KindredProvider(deps);
  secureCookiesByIssuer(provider, deps.config);
  replaceModels(provider, {
    RefreshToken: refreshTokenModel(deps, provider.RefreshToken),
    AccessToken: accessTokenModel(deps, provider.AccessToken),
    ReplayDetection: replayDetectionModel(deps, provider.ReplayDetection),
    AuthorizationCode: authorizationCodeModel(deps, provider.AuthorizationCode),
    DeviceCode: deviceCodeModel(deps, provider.DeviceCode),
    Session: browserSessionModel(deps, provider.Session),
    IdToken: idTokenModel(deps.clock, provider.IdToken),
    Interaction: interactionModel(deps, repeatableInteraction(provider.Interaction)),
    Client: clientModel(deps, provider.Client),
    OIDCContext: oidcContextModel(provider.OIDCContext, provider),
  });
  provider.registerGrantType('password', (ctx) => passwordGrant(deps, ctx), passwordParameters, ['resource']);
  // Takes the place of the engine's own.
  provider.registerGrantType('refresh_token', ownGrant(deps, refresh), refreshParameters, ['resource']);
  recordEngineEvents(deps, provider);
  provider.use(introspectionAndRevocation(deps, provider));
  provider.use(keepFormAnswers(deps, provider));
  return provider;
}

// The engine reads its models from the provider whenever it needs one, so an own property takes the getter's place.
function replaceModels(provider: Provider, models: Partial<Provider>): void {
  for (const [name, value] of Object.entries(models)) Object.defineProperty(provider, name, { value });
}

async function runGrant(
  deps: Deps,
  name: string,
  ctx: TokenEndpointGrantContext,
  handler: () => Promise<void>,
): Promise<void> {
  if (name === 'client_credentials') await checkClientScopes(ctx);
  await handler();
  describeSession(deps, ctx);
}

async function checkClientScopes(ctx: TokenEndpointGrantContext): Promise<void> {
  await resolveRequestedResources(ctx.oidc.provider, ctx);
  if (ctx.oidc.params.scope) requireKnownScopes(ctx, ctx.oidc.requestParamScopes);
  else ctx.oidc.params.scope = defaultScopesOf(ctx).join(' ') || undefined;
}

// Adds to the members of RFC 6749 the id of the session and its expiry if it is not used again.
function describeSession({ clock }: Deps, ctx: TokenEndpointGrantContext): void {
  const session = knownSession(ctx);
  const body = ctx.body as { refresh_token?: string };
  if (!session || !body.refresh_token) return;
  const now = clock.now();
  const used = { ...session, last_used_at: new Date(now) };
  const seconds = Math.floor((expiresAt(used).getTime() - now) / 1000);
  ctx.body = { ...body, refresh_token_expires_in: Math.max(0, seconds), session_id: session.id };
}
