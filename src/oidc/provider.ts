// The engine, configured, and the few places where we touch it (DESIGN, sections 4, 5 and 10).
import type Koa from 'koa';
import { errors, type KoaContextWithOIDC, Provider, type TokenEndpointGrantContext } from 'oidc-provider';
import { resolveRequestedResources } from 'oidc-provider/lib/helpers/grants.js';
import { isVouchedGrant } from '../core/clients/client_rules.ts';
import { acceptsSecret } from '../core/clients/client_secrets.ts';
import type { Client as ClientRow } from '../core/clients/clients.ts';
import type { Deps } from '../core/deps.ts';
import { requestSourceOf } from '../core/request_source.ts';
import { expiresAt } from '../core/sessions/live_session.ts';
import { requireClientBudget } from '../token/client_failures.ts';
import { passwordParameters } from '../token/password_request.ts';
import { engineConfiguration } from './configuration.ts';
import { takeOverDelivery } from './endpoints/backchannel_logout.ts';
import { findDespiteDocument } from './endpoints/document_clients.ts';
import { answerForJwts } from './endpoints/introspection.ts';
import { passwordGrant } from './endpoints/password_grant.ts';
import { accessTokenModel, replayDetectionModel } from './models/access_token.ts';
import { browserSessionModel } from './models/browser_session.ts';
import { authorizationCodeModel, deviceCodeModel } from './models/codes.ts';
import { interactionModel } from './models/interaction.ts';
import { refreshTokenModel } from './models/refresh_token.ts';
import { useSchemeOfIssuer } from './pages/cookies.ts';
import { enginePages } from './pages/engine_pages.ts';
import { keepFormAnswers, repeatableInteraction } from './pages/repeated_forms.ts';
import { idTokenModel } from './request/clocks.ts';
import { currentRequest, knownSession } from './request/context.ts';
import { limited, noteClientFailure, noteFailure, noteRefusal } from './request/errors.ts';
import { requireModest } from './request/parameters.ts';
import { defaultScope, requireKnownScopes } from './request/resources.ts';

export type { Provider };

type EngineClient = NonNullable<Awaited<ReturnType<Provider['Client']['find']>>>;
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
    // Read when the grant runs: the engine registers its own while it is being made.
    const run: Handler<Params> = (ctx) => runGrant(this.deps, name, ctx, async () => await handler(ctx));
    super.registerGrantType(name, run, params, duplicates);
  }
}

/** Makes the engine for these services. Signing keys are fixed for its life: when they change, make a new one. */
export function createProvider(deps: Deps): Provider {
  const provider = new KindredProvider(deps);
  useSchemeOfIssuer(provider as unknown as Koa, deps.config);
  replaceModels(provider, {
    RefreshToken: refreshTokenModel(deps, provider.RefreshToken),
    AccessToken: accessTokenModel(deps, provider.AccessToken),
    ReplayDetection: replayDetectionModel(deps, provider.ReplayDetection),
    AuthorizationCode: authorizationCodeModel(deps, provider.AuthorizationCode),
    DeviceCode: deviceCodeModel(deps, provider.DeviceCode),
    Session: browserSessionModel(deps, provider.Session),
    IdToken: idTokenModel(deps.clock, provider.IdToken),
    Interaction: interactionModel(deps, repeatableInteraction(provider.Interaction)),
    Client: withOurClientRules(deps, provider.Client),
    OIDCContext: withOurRules(provider.OIDCContext, provider),
  });
  provider.registerGrantType('password', (ctx) => passwordGrant(deps, ctx), passwordParameters, ['resource']);
  provider.on('server_error', (ctx, err) => noteFailure(deps, ctx, err));
  for (const name of refusals) {
    provider.on(`${name}.error` as 'grant.error', noteRefusal);
    provider.on(`${name}.error` as 'grant.error', (ctx, err) => void noteClientFailure(deps, ctx, err));
  }
  provider.on('grant.success', (ctx) => recordClientToken(deps, ctx));
  provider.use(answerForJwts(deps) as never);
  provider.use(keepFormAnswers(deps, provider) as never);
  return provider;
}

// Whose refusals the engine announces.
const refusals = [
  'authorization',
  'code_verification',
  'device_authorization',
  'device_resume',
  'end_session',
  'end_session_confirm',
  'grant',
  'introspection',
  'pushed_authorization_request',
  'registration_create',
  'registration_delete',
  'registration_read',
  'registration_update',
  'revocation',
  'userinfo',
];

// The engine reads its models from the provider whenever it needs one, so an own property takes the getter's place.
function replaceModels(provider: Provider, models: Partial<Provider>): void {
  for (const [name, value] of Object.entries(models)) Object.defineProperty(provider, name, { value });
}

// Logins and rotations leave their own traces; a token of client_credentials leaves this one.
function recordClientToken({ audit }: Deps, ctx: KoaContextWithOIDC): void {
  if (ctx.oidc.params?.grant_type !== 'client_credentials') return;
  const client_id = ctx.oidc.client?.clientId ?? null;
  audit.add({
    type: 'client_token_issued',
    client_id,
    actor: 'client',
    actor_id: client_id,
    ...requestSourceOf(ctx),
  });
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
  else ctx.oidc.params.scope = defaultScope(ctx).join(' ') || undefined;
}

// Beside the members of RFC 6749: which session this is, and when it expires if it is not used again.
function describeSession({ clock }: Deps, ctx: TokenEndpointGrantContext): void {
  const session = knownSession(ctx);
  const body = ctx.body as { refresh_token?: string };
  if (!session || !body.refresh_token) return;
  const now = clock.now();
  const used = { ...session, last_used_at: new Date(now) };
  const seconds = Math.floor((expiresAt(used).getTime() - now) / 1000);
  ctx.body = { ...body, refresh_token_expires_in: Math.max(0, seconds), session_id: session.id };
}

// Sessions of a client that is described by a document go on while that cannot be fetched.
function withStaleDocuments(deps: Deps, Client: Provider['Client']): void {
  const { find } = Client;
  Client.find = async (id) => {
    try {
      return await find.call(Client, id);
    } catch (error) {
      const metadata = error instanceof errors.InvalidClient && (await findDespiteDocument(deps, id));
      if (!metadata) throw error;
      return new (Client as unknown as new (metadata: object) => EngineClient)(metadata);
    }
  };
}

function withOurClientRules(deps: Deps, Client: Provider['Client']): Provider['Client'] {
  const { limits } = deps;
  withStaleDocuments(deps, Client);
  const prototype = Client.prototype as unknown as {
    grantTypeAllowed: (this: { kindred?: ClientRow }, type: string) => boolean;
    backchannelLogout: (sub: string, sid: string) => Promise<void>;
    compareClientSecret: (this: { kindred: ClientRow }, presented: string) => Promise<boolean>;
  };
  const { grantTypeAllowed } = prototype;
  takeOverDelivery(prototype);
  // A client that an administrator vouches for is no longer its owner's to change (RFC 7592).
  Object.defineProperty(prototype, 'noManage', {
    get(this: { kindred?: ClientRow }) {
      return this.kindred?.registered_by === 'admin';
    },
  });
  prototype.compareClientSecret = async function (presented) {
    await limited(requireClientBudget({ limits }, currentRequest(), this.kindred.client_id));
    return acceptsSecret(deps, this.kindred, presented);
  };
  // The engine would say invalid_request; RFC 6749 has a word for it (section 5.2).
  prototype.grantTypeAllowed = function (type) {
    // Whatever its document says, or a node of an earlier version wrote. A client being registered has no row yet.
    const isVouched = (this.kindred?.registered_by ?? 'admin') === 'admin';
    const isAllowed = grantTypeAllowed.call(this, type) && (isVouched || !isVouchedGrant(type));
    const ctx = Provider.ctx as KoaContextWithOIDC | undefined;
    if (!isAllowed && ctx?.oidc.route === 'token' && ctx.oidc.params?.grant_type === type) {
      throw new errors.UnauthorizedClient('the client may not use this grant type');
    }
    return isAllowed;
  };
  return Client;
}

interface EngineContext {
  route: string;
  urlFor(name: string, options?: Record<string, unknown>): string;
}

// The engine sets `params` when it has read them, wherever it reads any.
function withOurRules(base: Provider['OIDCContext'], provider: Provider): Provider['OIDCContext'] {
  const Base = base as unknown as new (ctx: unknown) => EngineContext;
  class OIDCContext extends Base {
    #params: Record<string, unknown> | undefined;

    override urlFor(name: string, options?: Record<string, unknown>): string {
      return provider.urlFor(name, options as never);
    }

    set params(params: Record<string, unknown>) {
      this.#params = params;
      requireModest(this.route, params);
    }

    get params(): Record<string, unknown> | undefined {
      return this.#params;
    }
  }
  return OIDCContext as unknown as Provider['OIDCContext'];
}
