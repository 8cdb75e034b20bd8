// The engine's configuration: which features are on, and where it asks us.
import { type Configuration, errors, interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import { oidcScopes } from '../core/access_tokens/grantable_scopes.ts';
import { isRegisteredOrigin } from '../core/clients/clients.ts';
import type { Deps } from '../core/deps.ts';
import { readCertificate } from '../lib/certificate.ts';
import { createAdapter } from './adapter.ts';
import { adoptDocumentClient, suitDocument } from './endpoints/document_clients.ts';
import { authMethods, clientAlgs } from './endpoints/engine_metadata.ts';
import { mayIntrospect, mayRevoke } from './endpoints/introspection.ts';
import { cookieSigner, sessionCookieName } from './pages/cookies.ts';
import type { EnginePages } from './pages/engine_response.ts';
import { publicPath } from './pages/page_response.ts';
import { claimsOfScopes, extraClaims, findAccount } from './request/accounts.ts';
import { correctTimes, engineTolerance, isInTime } from './request/clocks.ts';
import { clientRow } from './request/context.ts';
import { loadGrant } from './request/grant.ts';
import { browserSessionTtl, passwordAcr } from './request/login.ts';
import { createOutgoing, longestBelief, type Outgoing } from './request/outgoing.ts';
import { requireKnownScopes, resourceIndicators } from './request/resources.ts';

type Features = NonNullable<Configuration['features']>;
/** The configuration for these services and pages. */
export function engineConfiguration(deps: Deps, pages: EnginePages): Configuration {
  const { config, clock, keyring, keys } = deps;
  const { alg } = keys.current();
  const outgoing = createOutgoing(deps);
  return {
    adapter: createAdapter(deps),
    jwks: { keys: keys.list().map((key) => key.private_jwk) as never },
    clockTolerance: engineTolerance,
    assertJwtClientAuthClaimsAndHeader: (_ctx, claims) => {
      if (!isInTime(clock, claims)) throw new errors.InvalidClientAuth('the assertion is not in its time');
    },
    scopes: oidcScopes,
    claims: claimsOfScopes,
    acrValues: [passwordAcr],
    responseTypes: ['code'],
    clientAuthMethods: authMethods(deps),
    clientDefaults: { id_token_signed_response_alg: alg, introspection_signed_response_alg: alg },
    enabledJWA: {
      clientAuthSigningAlgValues: [...clientAlgs],
      idTokenSigningAlgValues: [...clientAlgs],
      introspectionSigningAlgValues: [...clientAlgs],
      requestObjectSigningAlgValues: [...clientAlgs],
    },
    extraClientMetadata: {
      properties: ['kindred'],
      validator: (_ctx, _key, _value, metadata) => suitDocument(deps, metadata as never),
    },
    clientBasedCORS: (_ctx, origin, client) => isRegisteredOrigin(clientRow(client), origin),
    cookies: {
      names: {
        session: sessionCookieName(config),
        interaction: 'kindred_interaction',
        resume: 'kindred_resume',
      },
      keys: cookieSigner(keyring),
      // Of what else lives at this host, nothing gets to see who is signed in here.
      long: { path: config.issuerPath || '/' },
    },
    pkce: { required: (_ctx, client) => config.pkce === 'all' || client.clientAuthMethod === 'none' },
    findAccount: (ctx, sub, token) => findAccount(deps, ctx, sub, token),
    loadExistingGrant: (ctx) => loadGrant(deps, ctx),
    extraTokenClaims: async (ctx, token) => extraClaims(ctx, token) as never,
    rotateRefreshToken: true,
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    expiresWithSession: async () => false,
    formats: {
      customizers: {
        jwt: async (_ctx, token, jwt) => {
          addSid(token as { sid?: string }, jwt as never);
          correctTimes(clock, jwt as never);
        },
      },
    },
    fetch: outgoing.fetch as never,
    interactions: {
      policy: policy(),
      url: (_ctx, interaction) => publicPath(deps, `/interaction/${interaction.uid}`),
    },
    renderError: pages.renderError,
    routes: {
      authorization: '/authorize',
      code_verification: '/device',
      device_authorization: '/device/authorize',
      end_session: '/logout',
      introspection: '/introspect',
      pushed_authorization_request: '/par',
      registration: '/register',
      revocation: '/revoke',
      userinfo: '/userinfo',
    },
    ttl: lifetimes(deps),
    features: features(deps, pages, outgoing),
  };
}

function lifetimes(deps: Deps): NonNullable<Configuration['ttl']> {
  const { config } = deps;
  const accessToken = (
    _ctx: unknown,
    token: { resourceServer?: { accessTokenTTL?: number } },
    client: unknown,
  ) => token.resourceServer?.accessTokenTTL ?? clientRow(client).access_token_ttl ?? config.accessTokenTtl;
  return {
    AccessToken: accessToken as never,
    ClientCredentials: accessToken as never,
    AuthorizationCode: 60,
    DeviceCode: 600,
    IdToken: config.accessTokenTtl,
    Interaction: 1800,
    RefreshToken: config.sessionIdleTtl,
    Grant: config.sessionAbsoluteTtl,
    Session: (_ctx, session) => browserSessionTtl(deps, (session as { loginTs?: number }).loginTs),
  };
}

function features(deps: Deps, pages: EnginePages, outgoing: Outgoing): Features {
  const { config, clock } = deps;
  return {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    dPoP: { enabled: true },
    introspection: {
      enabled: true,
      allowedPolicy: async (_ctx, client, token) => await mayIntrospect(deps, client, token),
    },
    jwtIntrospection: { enabled: true },
    revocation: { enabled: true, allowedPolicy: async (_ctx, client, token) => mayRevoke(client, token) },
    resourceIndicators: resourceIndicators(deps),
    pushedAuthorizationRequests: { enabled: true },
    requestObjects: {
      enabled: true,
      // Of pushed requests the database has decided.
      assertJwtClaimsAndHeader: ({ oidc }, claims) => {
        if (oidc.entities.PushedAuthorizationRequest || isInTime(clock, claims)) return;
        throw new errors.InvalidRequestObject('the request object is not in its time');
      },
    },
    backchannelLogout: { enabled: true },
    deviceFlow: {
      enabled: true,
      charset: 'base-20',
      mask: '****-****',
      userCodeInputSource: pages.userCodeInputSource,
      userCodeConfirmSource: pages.userCodeConfirmSource,
      successSource: pages.successSource,
      deviceInfo: (ctx: KoaContextWithOIDC) => ({ ip: ctx.ip, ua: ctx.get('user-agent').slice(0, 512) }),
    } as never,
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: pages.logoutSource,
      postLogoutSuccessSource: pages.postLogoutSuccessSource,
    },
    registration: {
      enabled: config.registration !== 'off',
      initialAccessToken: config.registrationToken ?? false,
    },
    registrationManagement: { enabled: config.registration !== 'off', rotateRegistrationAccessToken: true },
    mTLS: mutualTls(config.certificateHeader),
    clientIdMetadataDocument: {
      enabled: config.clientIdMetadataDocuments,
      ack: 'draft-02',
      allowFetch: outgoing.allowDocument,
      cacheDuration: { min: 30, max: longestBelief },
      allowClient: async (_ctx, client) =>
        await adoptDocumentClient(deps, client as never, outgoing.fetchedAt(client.clientId)),
    },
  };
}

// Mutual TLS ends at the proxy, which hands the certificate on (RFC 8705): tokens can be bound to it, and clients can
// authenticate by one that they have registered.
function mutualTls(header: string | null): Features['mTLS'] {
  if (header === null) return { enabled: false };
  return {
    enabled: true,
    certificateBoundAccessTokens: true,
    selfSignedTlsClientAuth: true,
    getCertificate: (ctx) => readCertificate(ctx.get(header)) ?? undefined,
  };
}

// The engine's prompts, with three rules of ours: an unknown scope is an error and not silence; a user who may no
// longer log in has to log in; and only other people's native clients always have to ask.
function policy() {
  const { Check } = interactionPolicy;
  const prompts = interactionPolicy.base();
  const login = prompts.get('login');
  const consent = prompts.get('consent');
  login?.checks.unshift(
    new Check('scopes_known', 'a requested scope is unknown or not allowed', (ctx) => {
      requireKnownScopes(ctx, ctx.oidc.requestParamScopes);
      return false;
    }),
  );
  login?.checks.add(
    new Check('user_inactive', 'End-User may not use this account', ({ oidc }) =>
      Boolean(oidc.session?.accountId && !oidc.account),
    ),
  );
  consent?.checks.remove('native_client_prompt');
  consent?.checks.add(
    new Check(
      'native_client_prompt',
      'native clients require End-User interaction',
      'interaction_required',
      isForeignNative,
    ),
  );
  return prompts;
}

function isForeignNative({ oidc }: KoaContextWithOIDC): boolean {
  // As it was said: a page under development at a loopback address is none that somebody else could pose as.
  const row = clientRow(oidc.client);
  const isNative = row.metadata.application_type === 'native' && !row.first_party;
  return isNative && !oidc.result?.consent;
}

function addSid(token: { sid?: string }, jwt: { payload: Record<string, unknown> }): void {
  if (token.sid) jwt.payload.sid = token.sid;
}
