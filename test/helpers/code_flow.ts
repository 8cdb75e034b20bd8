// The code flow of a third-party client and its user, with openid-client as the client.
import * as oidc from 'openid-client';
import type { NewClient } from '../../src/core/clients/client_metadata.ts';
import { makeClient, makeUser, type NamedUser, password } from './builders.ts';
import type { TestServer } from './server.ts';
import { openUserAgent, type Page, type UserAgent } from './user_agent.ts';

export const callback = 'https://app.example/cb';
export const secret = 'the-secret-of-the-web-client-of-these-tests';

type Parameters = Record<string, string>;
type Answer = oidc.TokenEndpointResponse & oidc.TokenEndpointResponseHelpers;

/** A third-party web client with a secret. */
export const webClient: Partial<NewClient> = {
  first_party: false,
  client_name: 'Web app',
  client_secret: secret,
  token_endpoint_auth_method: 'client_secret_basic',
  redirect_uris: [callback],
};

/** A client, its openid-client configuration, a user and the user's browser. */
export interface Scene {
  server: TestServer;
  config: oidc.Configuration;
  client_id: string;
  user: NamedUser;
  ua: UserAgent;
}

/** Makes a client, a user and a browser. `auth` is the client's authentication, by default its secret. */
export async function setUpScene(
  server: TestServer,
  given: { client?: Partial<NewClient>; auth?: oidc.ClientAuth; user?: NamedUser; ua?: UserAgent } = {},
): Promise<Scene> {
  const client = { ...webClient, ...given.client };
  const { client_id } = await makeClient(server.db, client);
  const isPublic = client.token_endpoint_auth_method === 'none';
  const auth = given.auth ?? (isPublic ? oidc.None() : oidc.ClientSecretBasic(secret));
  return {
    server,
    client_id,
    config: await discover(server, client_id, auth),
    user: given.user ?? (await makeUser(server.db)),
    ua: given.ua ?? openUserAgent(server.url),
  };
}

/** The members of a public client. */
export const publicClient: Partial<NewClient> = { token_endpoint_auth_method: 'none' };

export async function discover(
  server: TestServer,
  client_id: string,
  auth: oidc.ClientAuth,
): Promise<oidc.Configuration> {
  return await oidc.discovery(new URL(server.issuer), client_id, undefined, auth, {
    execute: [oidc.allowInsecureRequests],
    // Seconds; the default of 30 is too short for a busy machine.
    timeout: 120,
  });
}

/** An authorization request: the URL for the browser, and the values that the client keeps. */
export interface Started {
  url: URL;
  parameters: Parameters;
  checks: oidc.AuthorizationCodeGrantChecks & { pkceCodeVerifier: string; expectedState: string };
}

/** Starts a request with PKCE, state and nonce; a parameter that is `''` is left out. */
export async function startRequest({ config }: Scene, more: Parameters = {}): Promise<Started> {
  const verifier = oidc.randomPKCECodeVerifier();
  const state = more.state ?? oidc.randomState();
  const nonce = oidc.randomNonce();
  const all = {
    redirect_uri: callback,
    scope: 'openid profile email',
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...more,
  };
  const parameters = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''));
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce };
  return { url: oidc.buildAuthorizationUrl(config, parameters), parameters, checks };
}

/** The first page of a request, or the redirect to the client where the user need not be asked. */
export async function openRequest(scene: Scene, more: Parameters = {}): Promise<Page> {
  return await scene.ua.open((await startRequest(scene, more)).url.href);
}

/** Types name and password into the login page. */
export async function typePassword(ua: UserAgent, page: Page, { username }: NamedUser): Promise<Page> {
  return await ua.submit(page, '/login', { username, password });
}

/** Answers the pages (login, consent); returns what follows them. */
export async function passPages({ ua, user }: Pick<Scene, 'ua' | 'user'>, page: Page): Promise<Page> {
  let at = page;
  if (at.forms.some(({ action }) => action.endsWith('/login'))) at = await typePassword(ua, at, user);
  if (at.forms.some(({ action }) => action.endsWith('/consent')))
    at = await ua.submit(at, '/consent', { decision: 'allow' });
  return at;
}

/** Answers the pages until the browser is redirected to the client. */
export async function answerPages(scene: Pick<Scene, 'ua' | 'user'>, page: Page): Promise<URL> {
  return sentTo(await passPages(scene, page));
}

/** The redirect target of a page; a page without a redirect fails the test. */
export function sentTo({ location, status, text }: Page): URL {
  if (!location) throw new Error(`${status}: ${text.slice(0, 3000)}`);
  return new URL(location);
}

/** One login, from the request to the tokens. */
export async function logIn(scene: Scene, more: Parameters = {}): Promise<Answer & { session_id: string }> {
  const started = await startRequest(scene, more);
  const back = await answerPages(scene, await scene.ua.open(started.url.href));
  const tokens = await oidc.authorizationCodeGrant(scene.config, back, started.checks);
  return tokens as typeof tokens & { session_id: string };
}

/** A code that has not been exchanged. */
export async function getCode(
  scene: Scene,
  more: Parameters = {},
): Promise<{ code: string; code_verifier: string; back: URL; started: Started }> {
  const started = await startRequest(scene, more);
  const back = await answerPages(scene, await scene.ua.open(started.url.href));
  const code = back.searchParams.get('code');
  if (!code) throw new Error(`no code: ${back.href}`);
  return { code, code_verifier: started.checks.pkceCodeVerifier, back, started };
}
