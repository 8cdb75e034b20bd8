// The browser of the generated requests: logged in at the account page, with a code and an open interaction of a web client.
import * as oidc from 'openid-client';
import { makeClient, makeUser, password } from '../../helpers/builders.ts';
import type { TestServer } from '../../helpers/server.ts';
import { formOf, openUserAgent, type Page, type UserAgent } from '../../helpers/user_agent.ts';
import { callback } from './grants.ts';

export interface BrowserAccount {
  references: {
    web_client_id: string;
    browser_id: string;
    login_csrf: string;
    login_cookies: string;
    account_csrf: string;
    account_cookies: string;
    interaction: string;
    csrf: string;
    xsrf: string;
    cookies: string;
    code: string;
    code_verifier: string;
  };
}

const cookiesOf = (ua: UserAgent) =>
  [...ua.cookies.values()].map(({ name, value }) => `${name}=${value}`).join('; ');

/** Logs in a new user, and opens a second request that waits at its login page. */
export async function openBrowserAccount(server: TestServer): Promise<BrowserAccount> {
  const user = await makeUser(server.db);
  const { client_id } = await makeClient(server.db, {
    redirect_uris: [callback],
    post_logout_redirect_uris: [callback],
    grant_types: ['authorization_code', 'refresh_token'],
    scope: 'openid profile email account orders:read',
  });
  const ua = openUserAgent(server.url);
  const page = await ua.open(`${server.url}/account`);
  const account = await ua.submit(page, '/account/login', { username: user.username, password });
  const guest = openUserAgent(server.url);
  const guestPage = await guest.open(`${server.url}/account`);
  const device = await ua.open(`${server.url}/device`);
  const verifier = oidc.randomPKCECodeVerifier();
  const code = await codeOf(server, ua, client_id, verifier);
  const other = openUserAgent(server.url);
  const login = await other.open(await requestUrl(server, client_id, verifier));
  const { action, fields } = formOf(login, '/login');
  return {
    references: {
      web_client_id: client_id,
      browser_id: /browsers\/([\w-]+)\/end/.exec(account.text)?.[1] ?? '',
      login_csrf: formOf(guestPage, '/account/login').fields.csrf ?? '',
      login_cookies: cookiesOf(guest),
      account_csrf: formOf(account, '/account/logout').fields.csrf ?? '',
      account_cookies: cookiesOf(ua),
      interaction: new URL(action).pathname.split('/')[2] ?? '',
      csrf: fields.csrf ?? '',
      xsrf: formOf(device, '/device').fields.xsrf ?? '',
      cookies: cookiesOf(other),
      code,
      code_verifier: verifier,
    },
  };
}

async function requestUrl({ url }: TestServer, client_id: string, verifier: string): Promise<string> {
  const parameters = {
    client_id,
    redirect_uri: callback,
    response_type: 'code',
    scope: 'openid profile',
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  };
  return `${url}/authorize?${new URLSearchParams(parameters)}`;
}

async function codeOf(
  server: TestServer,
  ua: UserAgent,
  client_id: string,
  verifier: string,
): Promise<string> {
  let page: Page = await ua.open(await requestUrl(server, client_id, verifier));
  if (page.forms.some(({ action }) => action.endsWith('/consent')))
    page = await ua.submit(page, '/consent', { decision: 'allow' });
  return new URL(page.location ?? server.url).searchParams.get('code') ?? '';
}
