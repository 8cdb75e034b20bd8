// The engine's configuration by topic: clients, logins, tokens. Its features are in features.ts, its prompts in prompts.ts.
import type { AccessToken, ClientCredentials, Configuration, JWTStructured } from 'oidc-provider';
import { claimsOfScopes } from '../core/access_tokens/account_claims.ts';
import { clientAlgs } from '../core/clients/client_metadata.ts';
import { isRegisteredOrigin } from '../core/clients/clients.ts';
import { oidcScopes } from '../core/clients/own_scopes.ts';
import { grantsOfUnnamed } from '../core/clients/suitable_metadata.ts';
import type { Deps } from '../core/deps.ts';
import { createAdapter } from './adapter.ts';
import { suitDocument } from './endpoints/document_clients.ts';
import { authMethods } from './endpoints/engine_metadata.ts';
import { engineKey } from './engine_keys.ts';
import { engineFeatures } from './features.ts';
import { cookieSigner, sessionCookieName } from './pages/cookies.ts';
import type { EnginePages } from './pages/engine_response.ts';
import { publicPath } from './pages/page_response.ts';
import { loginPrompts, promptValues } from './prompts.ts';
import { extraClaims, findAccount } from './request/accounts.ts';
import { requireGoodAssertion } from './request/client_jwts.ts';
import { correctTimes, engineTolerance } from './request/clocks.ts';
import { clientRow } from './request/context.ts';
import { loadGrant } from './request/grant.ts';
import { findKnownServer } from './request/known_clients.ts';
import { browserSessionTtl, passwordAcr } from './request/login.ts';
import type { Outgoing } from './request/outgoing.ts';

/** The configuration for these dependencies and pages. */
export function engineConfiguration(deps: Deps, pages: EnginePages, outgoing: Outgoing): Configuration {
  return {
    adapter: createAdapter(deps),
    clockTolerance: engineTolerance,
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
    fetch: async (url, init = {}) => await outgoing.fetch(String(url), init),
    renderError: pages.renderError,
    discovery: { prompt_values_supported: promptValues },
    ...clientConfiguration(deps),
    ...loginConfiguration(deps),
    ...tokenConfiguration(deps),
    features: engineFeatures(deps, pages, outgoing),
  };
}

// What a client may register, and how it authenticates.
function clientConfiguration(deps: Deps): Configuration {
  const { config, clock, keys } = deps;
  const signable = [...keys.algs().signable];
  return {
    clientAuthMethods: authMethods(deps),
    // The algorithms are named for each client (endpoints/engine_metadata.ts). This default is refused, so it can never be used.
    // The grants are those of documents that name none; all other clients are stored with theirs.
    clientDefaults: {
      id_token_signed_response_alg: 'HS256',
      introspection_signed_response_alg: 'HS256',
      grant_types: grantsOfUnnamed,
    },
    enabledJWA: {
      clientAuthSigningAlgValues: [...clientAlgs],
      idTokenSigningAlgValues: signable,
      introspectionSigningAlgValues: signable,
      requestObjectSigningAlgValues: [...clientAlgs],
      userinfoSigningAlgValues: signable,
    },
    extraClientMetadata: {
      // The row comes last: the others are taken from a document before it is adapted.
      properties: ['security_profile', 'require_pkce', 'kindred'],
      validator: (_ctx, name, _value, metadata) => {
        if (name === 'kindred') suitDocument(deps, metadata);
      },
    },
    assertJwtClientAuthClaimsAndHeader: (ctx, claims, { alg }, client) =>
      requireGoodAssertion(clock, ctx, { claims, alg, client }),
    clientBasedCORS: (_ctx, origin, client) => isRegisteredOrigin(clientRow(client), origin),
    pkce: {
      required: (_ctx, client) =>
        config.pkce === 'all' ||
        client.clientAuthMethod === 'none' ||
        clientRow(client).metadata.require_pkce === true,
    },
  };
}

// Logins: accounts, pages, cookies and the grant of a login.
function loginConfiguration(deps: Deps): Configuration {
  const { config, keyring } = deps;
  return {
    responseTypes: ['code'],
    acrValues: [passwordAcr],
    findAccount: (ctx, sub, token) => findAccount(deps, ctx, sub, token),
    loadExistingGrant: (ctx) => loadGrant(deps, ctx),
    interactions: {
      policy: loginPrompts(),
      url: (_ctx, interaction) => publicPath(deps, `/interaction/${interaction.uid}`),
    },
    cookies: {
      names: {
        session: sessionCookieName(config),
        interaction: 'kindred_interaction',
        resume: 'kindred_resume',
      },
      keys: cookieSigner(keyring),
      // Other applications at this host, beside the path of the issuer, must not get the cookie.
      long: { path: config.issuerPath || '/' },
    },
  };
}

// Tokens: claims, signing keys and lifetimes.
function tokenConfiguration(deps: Deps): Configuration {
  const { clock, keys } = deps;
  return {
    jwks: { keys: keys.list().map(engineKey) },
    scopes: oidcScopes,
    claims: claimsOfScopes,
    // The engine puts in the claims of all granted scopes, and models/id_token.ts leaves out those that do not belong there.
    conformIdTokenClaims: false,
    extraTokenClaims: async (ctx, token) => await extraClaims(deps, ctx, token),
    formats: {
      customizers: {
        jwt: async (_ctx, token, jwt) => {
          addSid(token, jwt);
          await setType(deps, jwt);
          correctTimes(clock, jwt);
        },
      },
    },
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    expiresWithSession: async () => false,
    ttl: lifetimes(deps),
  };
}

// Tokens of `client_credentials` belong to no session.
function addSid(token: AccessToken | ClientCredentials, { payload }: JWTStructured): void {
  if ('sid' in token && token.sid) payload.sid = token.sid;
}

// The engine's own type is at+jwt.
async function setType(deps: Deps, jwt: JWTStructured): Promise<void> {
  const server = await findKnownServer(deps, String(jwt.payload.aud));
  if (server?.access_token_typ === 'JWT') jwt.header = { ...jwt.header, typ: 'JWT' };
}

// In seconds. The setting of the resource server takes precedence over that of the client.
function lifetimes(deps: Deps): NonNullable<Configuration['ttl']> {
  const { config } = deps;
  const ofAccessToken = (
    _ctx: object,
    token: { resourceServer?: { accessTokenTTL?: number | undefined } | undefined },
    client: unknown,
  ) => token.resourceServer?.accessTokenTTL ?? clientRow(client).access_token_ttl ?? config.accessTokenTtl;
  return {
    AccessToken: ofAccessToken,
    ClientCredentials: ofAccessToken,
    AuthorizationCode: 60,
    DeviceCode: 600,
    IdToken: config.accessTokenTtl,
    Interaction: 1800,
    RefreshToken: config.sessionIdleTtl,
    Grant: config.sessionAbsoluteTtl,
    Session: (_ctx, session) => browserSessionTtl(deps, session.loginTs),
  };
}
