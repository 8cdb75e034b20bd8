// A web app that signs users in at Kindred with openid-client. Tokens stay on the server; the browser gets a cookie.
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as oidc from 'openid-client';

const { ISSUER = 'http://127.0.0.1:3000', PORT = '4002' } = process.env;
const { CLIENT_ID = 'web-app', CLIENT_SECRET = '' } = process.env;

const isHttp = ISSUER.startsWith('http:');
const config = await oidc.discovery(new URL(ISSUER), CLIENT_ID, CLIENT_SECRET, undefined, {
  // HTTP is allowed for trials on one machine; a real issuer has HTTPS.
  execute: isHttp ? [oidc.allowInsecureRequests] : [],
});

interface Tokens {
  claims: oidc.IDToken;
  id_token: string;
  access_token: string;
  /** When the access token counts as expired, milliseconds. */
  expires_at: number;
  refresh_token: string;
  refreshes: number;
}

interface Visit {
  checks?: { pkceCodeVerifier: string; expectedState: string; expectedNonce: string };
  tokens?: Tokens;
  /** The refresh in progress. */
  refreshing?: Promise<void>;
}

// In memory and without expiry, which is acceptable only in an example.
const visits = new Map<string, Visit>();

type Handler = (visit: Visit, url: URL, response: ServerResponse) => Promise<void> | void;

/** SameSite=Lax keeps the cookie from forms of other sites, so every POST here comes from our own pages. */
const routes: Record<string, Handler> = {
  'GET /': showHome,
  'POST /login': logIn,
  'GET /callback': finishLogin,
  'GET /me': showMe,
  'POST /refresh': refresh,
  'POST /logout': logOut,
};

function showHome({ tokens }: Visit, _url: URL, response: ServerResponse): void {
  const button = (path: string, name: string) =>
    `<form method="post" action="${path}"><button>${name}</button></form>`;
  const body = tokens
    ? `<p>Signed in as ${escapeHtml(String(tokens.claims.preferred_username ?? tokens.claims.sub))}, refreshed ${tokens.refreshes} times.</p>
<pre>${escapeHtml(JSON.stringify(tokens.claims, null, 2))}</pre>${button('/refresh', 'Refresh')}${button('/logout', 'Sign out')}`
    : `<p>You are signed out.</p>${button('/login', 'Sign in')}`;
  response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-store' });
  response.end(`<!doctype html><html lang="en"><title>Web app</title><h1>Web app</h1>${body}</html>`);
}

async function logIn(visit: Visit, url: URL, response: ServerResponse): Promise<void> {
  const checks = {
    pkceCodeVerifier: oidc.randomPKCECodeVerifier(),
    expectedState: oidc.randomState(),
    expectedNonce: oidc.randomNonce(),
  };
  visit.checks = checks;
  const target = oidc.buildAuthorizationUrl(config, {
    redirect_uri: `${url.origin}/callback`,
    scope: 'openid profile email',
    code_challenge: await oidc.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: checks.expectedState,
    nonce: checks.expectedNonce,
  });
  redirect(response, target.href);
}

async function finishLogin(visit: Visit, url: URL, response: ServerResponse): Promise<void> {
  const { checks } = visit;
  delete visit.checks;
  if (checks && url.searchParams.get('error') !== 'access_denied') {
    const given = await oidc.authorizationCodeGrant(config, url, checks);
    const { id_token = '', refresh_token = '', access_token } = given;
    const claims = given.claims();
    if (!claims) throw new Error('no ID token');
    const info = await oidc.fetchUserInfo(config, given.access_token, claims.sub);
    const all = { ...claims, ...info };
    const expires_at = expiryOf(given);
    visit.tokens = { claims: all, id_token, access_token, expires_at, refresh_token, refreshes: 0 };
  }
  redirect(response, '/');
}

// Seconds before its expiry in which a token is no longer sent: it might expire on its way.
const leeway = 10;

function expiryOf({ expiresIn }: oidc.TokenEndpointResponseHelpers): number {
  return Date.now() + ((expiresIn() ?? 0) - leeway) * 1000;
}

async function refresh(visit: Visit, _url: URL, response: ServerResponse): Promise<void> {
  await refreshOnce(visit);
  redirect(response, '/');
}

/** An API of this app that calls another one for the user, here userinfo, with an access token that has not expired. */
async function showMe(visit: Visit, _url: URL, response: ServerResponse): Promise<void> {
  if (visit.tokens && visit.tokens.expires_at <= Date.now()) await refreshOnce(visit);
  const { tokens } = visit;
  const info = tokens && (await oidc.fetchUserInfo(config, tokens.access_token, tokens.claims.sub));
  response.writeHead(info ? 200 : 401, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  response.end(JSON.stringify(info ?? { error: 'signed_out' }));
}

/**
 * Refreshes once at a time. A page with several requests, or several tabs, would otherwise send the same refresh token several
 * times, which ends the session of a client with the profile `strict`. An app with several processes needs a lock that they share,
 * or the profile `web`, which confidential clients have by default.
 */
async function refreshOnce(visit: Visit): Promise<void> {
  visit.refreshing ??= refreshTokens(visit).finally(() => {
    delete visit.refreshing;
  });
  await visit.refreshing;
}

async function refreshTokens(visit: Visit): Promise<void> {
  const { tokens } = visit;
  if (!tokens) return;
  try {
    const given = await oidc.refreshTokenGrant(config, tokens.refresh_token);
    tokens.refresh_token = given.refresh_token ?? tokens.refresh_token;
    tokens.id_token = given.id_token ?? tokens.id_token;
    tokens.access_token = given.access_token;
    tokens.expires_at = expiryOf(given);
    tokens.refreshes += 1;
  } catch (error) {
    // The session has ended: the user signs in again. After any other error, the user can try again later.
    if (!(error instanceof oidc.ResponseBodyError) || error.error !== 'invalid_grant') throw error;
    delete visit.tokens;
  }
}

function logOut(visit: Visit, url: URL, response: ServerResponse): void {
  const id_token_hint = visit.tokens?.id_token ?? '';
  delete visit.tokens;
  const post_logout_redirect_uri = `${url.origin}/`;
  redirect(response, oidc.buildEndSessionUrl(config, { id_token_hint, post_logout_redirect_uri }).href);
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(303, { Location: location, 'Cache-Control': 'no-store' }).end();
}

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** The visit of the cookie, or a new one. A login gets a new cookie, so that a planted one is useless (session fixation). */
function findVisit({ headers }: IncomingMessage, response: ServerResponse, isNew: boolean): Visit {
  const [, id = ''] = /(?:^|; )web_app=([\w-]+)/.exec(headers.cookie ?? '') ?? [];
  const known = visits.get(id);
  if (known && !isNew) return known;
  const [name, visit] = [randomBytes(32).toString('base64url'), {}];
  visits.delete(id);
  visits.set(name, visit);
  response.setHeader('Set-Cookie', `web_app=${name}; HttpOnly; SameSite=Lax; Path=/`);
  return visit;
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url ?? '/', origin());
  const line = `${request.method} ${url.pathname}`;
  try {
    const route = routes[line];
    if (route) await route(findVisit(request, response, line === 'POST /login'), url, response);
    else response.writeHead(404).end('Not found');
  } catch (error) {
    console.error(error);
    response.writeHead(502).end('Something went wrong. Go back and try again.');
  }
});

function origin(): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

server.listen(Number(PORT), '127.0.0.1', () => console.log(`${origin()}/`));
