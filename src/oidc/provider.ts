// The engine with its configuration, and our models, grants and endpoints in place of its own.
import { Provider, type TokenEndpointGrantContext } from 'oidc-provider';
import { splitScope } from '../core/access_tokens/grantable_scopes.ts';
import { heldOidc } from '../core/access_tokens/held_scopes.ts';
import type { Deps } from '../core/deps.ts';
import { grantTable } from '../token/grant_table.ts';
import { sessionMembers } from '../token/token_response.ts';
import { engineConfiguration } from './configuration.ts';
import { introspectionAndRevocation } from './endpoints/introspection_and_revocation.ts';
import { ownGrant } from './endpoints/own_grants.ts';
import { nameJwtType } from './endpoints/userinfo.ts';
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
import { redirectToClient, withFragment, withQuery } from './pages/client_redirect.ts';
import { secureCookiesByIssuer } from './pages/cookies.ts';
import { enginePages } from './pages/engine_pages.ts';
import { finishLogouts } from './pages/logout_pages.ts';
import { keepFormAnswers, repeatableInteraction } from './pages/repeated_forms.ts';
import { clientRow, knownSession } from './request/context.ts';
import { acceptGrant } from './request/grant.ts';
import { createOutgoing, type Outgoing } from './request/outgoing.ts';

export type { Provider };

type Names = string | readonly string[] | ReadonlySet<string>;
type Handler<Params extends object> = (ctx: TokenEndpointGrantContext<Params>) => Promise<void> | void;

type ResponseMode = Parameters<Provider['registerResponseMode']>[1];

const redirects: Record<string, typeof withQuery> = { query: withQuery, fragment: withFragment };

const texts = (payload: object) =>
  Object.fromEntries(Object.entries(payload).map(([name, value]) => [name, String(value)]));

/** The engine registers its own grants by the same method, so this is where their answers get the members about the session. */
class KindredProvider extends Provider {
  readonly deps: Deps;

  constructor(deps: Deps, outgoing: Outgoing) {
    super(deps.config.issuer, engineConfiguration(deps, enginePages(deps), outgoing));
    this.deps = deps;
  }

  override registerGrantType<Params extends object>(
    name: string,
    handler: Handler<Params>,
    params?: Names,
    duplicates?: Names,
  ): void {
    // `deps` is read when the grant runs: the engine registers its own grants in its constructor, before it is set.
    const run: Handler<Params> = async (ctx) => {
      await handler(ctx);
      describeSession(this.deps, ctx);
    };
    super.registerGrantType(name, run, params, duplicates);
  }

  // The engine registers its modes of answering in its constructor. Its own redirects would write the client's URI anew.
  override registerResponseMode(name: string, handler: ResponseMode): void {
    const write = Object.hasOwn(redirects, name) ? redirects[name] : undefined;
    const redirect: ResponseMode = (ctx, uri, payload) =>
      write && redirectToClient(ctx, write(uri, texts(payload)));
    super.registerResponseMode(name, write ? redirect : handler);
  }
}

/** Makes the engine for these dependencies. Signing keys are fixed for its life: when they change, make a new one. */
export function createProvider(deps: Deps): Provider {
  const outgoing = createOutgoing(deps);
  const provider = new KindredProvider(deps, outgoing);
  secureCookiesByIssuer(provider, deps.config);
  replaceModels(provider, {
    RefreshToken: refreshTokenModel(deps, provider.RefreshToken),
    AccessToken: accessTokenModel(deps, provider.AccessToken),
    ReplayDetection: replayDetectionModel(deps, provider.ReplayDetection),
    AuthorizationCode: authorizationCodeModel(deps, provider.AuthorizationCode),
    DeviceCode: deviceCodeModel(deps, provider.DeviceCode),
    Session: browserSessionModel(deps, provider.Session),
    IdToken: idTokenModel(deps, provider.IdToken),
    Interaction: interactionModel(deps, repeatableInteraction(provider.Interaction)),
    Client: clientModel(deps, outgoing, provider.Client),
    OIDCContext: oidcContextModel(deps, provider.OIDCContext, provider),
  });
  // These take the place of the engine's own.
  for (const [name, { grant, parameters }] of grantTable)
    provider.registerGrantType(name, ownGrant(deps, grant), parameters, ['resource']);
  recordEngineEvents(deps, provider);
  provider.on('authorization.accepted', acceptGrant);
  provider.use(introspectionAndRevocation(deps, provider));
  provider.use(nameJwtType);
  provider.use(keepFormAnswers(deps, provider));
  provider.use(finishLogouts(deps));
  return provider;
}

// The engine reads its models from the provider whenever it needs one, so an own property takes the getter's place.
function replaceModels(provider: Provider, models: Partial<Provider>): void {
  for (const [name, value] of Object.entries(models)) Object.defineProperty(provider, name, { value });
}

// An answer of ours has the members already.
function describeSession({ clock }: Deps, ctx: TokenEndpointGrantContext): void {
  const session = knownSession(ctx);
  if (!session) return;
  const body = ctx.body as { refresh_token?: string; scope?: string };
  const more = body.refresh_token ? sessionMembers(session, clock.now()) : {};
  ctx.body = { ...body, ...answeredScope(ctx, body), ...more };
}

// The engine names the scope of the access token; ours adds what the token is good for at userinfo, as a refresh does (token/target.ts).
function answeredScope(
  { oidc }: TokenEndpointGrantContext,
  { scope }: { scope?: string },
): { scope?: string } {
  const { client, grant, authorizationCode, deviceCode } = oidc;
  const asked = (authorizationCode ?? deviceCode)?.scopes;
  if (!client || !grant || scope === undefined) return {};
  const own = heldOidc(clientRow(client), grant).filter((one) => asked?.has(one));
  return { scope: [...new Set([...own, ...splitScope(scope)])].join(' ') };
}
