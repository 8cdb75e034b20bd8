// Logins by pages: the authorization code flow with PKCE (RFC 6749, 4.1; RFC 7636), from the authorization request over the
// forms for password and consent to the exchange of the code. Each chain is a browser.
import { createHash } from 'node:crypto';
import { takeRandom } from '../../src/lib/random.ts';
import {
  type Cookie,
  cookiesFor,
  keepCookie,
  type PageForm,
  readForms,
} from '../../test/helpers/user_agent.ts';
import type { Chain } from './drive.ts';
import { basic, formRequests, getRequest } from './http.ts';
import { type ReceivedTokens, readClaims } from './received_tokens.ts';

export interface CodeFlowLoad {
  kind: 'code_flow';
  url: string;
  client: { client_id: string; client_secret: string };
  redirect_uri: string;
  scope: string;
  /** The resource server that the access tokens are for. */
  resource: string;
  password: string;
  /** The users of each chain, in turns. */
  usernames: string[][];
  /** Whether the browser stays signed in, so that only the first flow of each chain shows a page. */
  stays: boolean;
}

type Browser = Pick<CodeFlowLoad, 'url' | 'redirect_uri'> & { cookies: Map<string, Cookie> };

/** Chains of whole logins. */
export function codeFlowChains(load: CodeFlowLoad, received: ReceivedTokens): Chain[] {
  return load.usernames.map((users, index) => codeFlowChain(load, users, received, String(index)));
}

function codeFlowChain(load: CodeFlowLoad, users: string[], received: ReceivedTokens, name: string): Chain {
  const browser: Browser = { ...load, cookies: new Map() };
  const exchange = formRequests(load.url, '/token', basic(load.client));
  let verifier = '';
  let flows = 0;
  let asked = '';
  /** The request that follows; null before a new flow. */
  let next: string | null = null;
  return {
    next() {
      if (next !== null) return next;
      if (!load.stays) browser.cookies.clear();
      verifier = takeRandom(32).toString('base64url');
      asked = `/authorize?${authorization(load, verifier)}`;
      return visit(browser, asked);
    },
    take(status, body, head) {
      keepCookies(browser, head);
      if (next?.startsWith('POST /token ')) {
        requireTokens(status, body, received, name);
        next = null;
        flows += 1;
        return undefined;
      }
      const location = locationOf(head, browser);
      if (location?.startsWith(`${load.redirect_uri}?`))
        next = exchange(exchangeForm(load, location, verifier));
      else if (location !== null) next = visit(browser, location.slice(load.url.length));
      else {
        const fields = { username: users[flows % users.length] ?? '', password: load.password };
        next = fillForm(browser, asked, { status, body }, fields);
      }
      return 'unfinished';
    },
  };
}

function authorization(
  { client, redirect_uri, scope, resource }: CodeFlowLoad,
  verifier: string,
): URLSearchParams {
  return new URLSearchParams({
    client_id: client.client_id,
    redirect_uri,
    response_type: 'code',
    scope,
    resource,
    state: takeRandom(16).toString('base64url'),
    nonce: takeRandom(16).toString('base64url'),
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  });
}

function exchangeForm({ redirect_uri }: CodeFlowLoad, location: string, code_verifier: string): string {
  const code = new URL(location).searchParams.get('code');
  if (code === null) throw new Error(`a login came back without a code: ${location}`);
  return new URLSearchParams({
    grant_type: 'authorization_code',
    code,
    redirect_uri,
    code_verifier,
  }).toString();
}

function visit({ url, cookies }: Browser, path: string): string {
  return getRequest(url, path, cookieLine(cookies, path));
}

function cookieLine(cookies: Map<string, Cookie>, path: string): string {
  const line = cookiesFor(cookies, path.split('?')[0] ?? '');
  return line === '' ? '' : `Cookie: ${line}\r\n`;
}

function keepCookies({ cookies }: Browser, head: string): void {
  for (const line of head.split('\r\n'))
    if (line.toLowerCase().startsWith('set-cookie: ')) keepCookie(cookies, line.slice(12));
}

function locationOf(head: string, { url }: Browser): string | null {
  const [, location] = /^location: (.*)$/im.exec(head) ?? [];
  return location === undefined ? null : new URL(location.trim(), url).href;
}

// The page's own form: the password, or the consent.
function fillForm(
  { url, cookies }: Browser,
  asked: string,
  { status, body }: { status: number; body: string },
  fields: { username: string; password: string },
): string {
  const forms: PageForm[] = status === 200 ? readForms(body, `${url}${asked}`) : [];
  const form = forms.find(({ action }) => action.endsWith('/login') || action.endsWith('/consent'));
  if (!form) throw new Error(`a page was answered ${status}: ${body.slice(0, 500)}`);
  const path = form.action.slice(url.length);
  const filled = path.endsWith('/login') ? fields : { decision: 'allow' };
  const text = new URLSearchParams({ ...form.fields, ...filled }).toString();
  return formRequests(url, path, cookieLine(cookies, path))(text);
}

function requireTokens(status: number, body: string, received: ReceivedTokens, name: string): void {
  if (status !== 200) throw new Error(`an exchange was answered ${status}: ${body}`);
  const { access_token, id_token } = JSON.parse(body) as { access_token: string; id_token?: string };
  if (!id_token || readClaims(id_token).sub !== readClaims(access_token).sub)
    throw new Error(`not the tokens of a login: ${body}`);
  received.newest.set(name, access_token);
}
