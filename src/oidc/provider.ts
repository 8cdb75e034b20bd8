// The engine with its configuration, our models in place of its own, and the checks and extras of all grants.
import { Provider, type TokenEndpointGrantContext } from 'oidc-provider';
import type { Deps } from '../core/deps.ts';
import { expiresAt } from '../core/sessions/live_session.ts';
import { clientCredentials, clientCredentialsParameters } from '../token/client_credentials.ts';
import type { Grant } from '../token/grant.ts';
import { passwordGrant, passwordParameters } from '../token/password.ts';
import { refresh, refreshParameters } from '../token/refresh.ts';
import { engineConfiguration } from './configuration.ts';
import { introspectionAndRevocation } from './endpoints/introspection_and_revocation.ts';
import { ownGrant } from './endpoints/own_grants.ts';
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
    const run: Handler<Params> = (ctx) => runGrant(this.deps, ctx, async () => await handler(ctx));
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
  // These take the place of the engine's own.
  const ours: [string, Grant, readonly string[]][] = [
    ['password', passwordGrant, passwordParameters],
    ['client_credentials', clientCredentials, clientCredentialsParameters],
    ['refresh_token', refresh, refreshParameters],
  ];
  for (const [name, grant, parameters] of ours)
    provider.registerGrantType(name, ownGrant(deps, grant), parameters, ['resource']);
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
  ctx: TokenEndpointGrantContext,
  handler: () => Promise<void>,
): Promise<void> {
  await handler();
  describeSession(deps, ctx);
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
