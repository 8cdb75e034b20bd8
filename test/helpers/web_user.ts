// A user with a browser at a third-party client, on nodes whose issuer differs from their own address.
import { createHash, randomBytes } from 'node:crypto';
import type { Answer } from './client.ts';
import { token } from './oauth.ts';
import type { TestServer } from './server.ts';
import { formOf, openUserAgent, type Page, type UserAgent } from './user_agent.ts';

/** A browser, and its id in the history. */
export interface Browser {
  name: string;
  ua: UserAgent;
}

export interface WebClient {
  client_id: string;
  redirect_uri: string;
}

let opened = 0;

/** A browser without cookies. */
export function openBrowser(): Browser {
  opened += 1;
  return { name: `browser-${opened}`, ua: openUserAgent('http://nowhere.invalid') };
}

/**
 * One login: the answer of the token endpoint, or null when the browser was sent back without a code or shown a final page.
 * `isConsented` is true when the user has given a consent on the way.
 */
export async function logInOnWeb(
  node: TestServer,
  { ua }: Browser,
  client: WebClient,
  person: { username: string; password: string } | null,
): Promise<{ answer: Answer | null; isConsented: boolean }> {
  const code_verifier = randomBytes(32).toString('base64url');
  const code_challenge = createHash('sha256').update(code_verifier).digest('base64url');
  const asked = {
    ...client,
    response_type: 'code',
    scope: 'openid',
    code_challenge,
    code_challenge_method: 'S256',
    ...(person ? {} : { prompt: 'none' }),
  };
  const hops = follower(node, ua);
  let page = await hops(await ua.send(`${node.url}/authorize?${new URLSearchParams(asked)}`));
  if (person && hasForm(page, '/login')) page = await hops(await ua.post(page, '/login', { ...person }));
  const isConsented = hasForm(page, '/consent');
  if (isConsented) page = await hops(await ua.post(page, '/consent', { decision: 'allow' }));
  const code = page.location && new URL(page.location).searchParams.get('code');
  if (!code) return { answer: null, isConsented };
  const form = { ...client, grant_type: 'authorization_code', code, code_verifier };
  return { answer: await token(node, form), isConsented };
}

/** Signs a browser out on the account page; false when it was not signed in. */
export async function signOutOnWeb(node: TestServer, { ua }: Browser): Promise<boolean> {
  const page = await ua.send(`${node.url}/account`);
  if (!hasForm(page, '/account/logout')) return false;
  return (await ua.post(page, '/account/logout')).status === 200;
}

function hasForm(page: Page, action: string): boolean {
  return page.forms.some((form) => form.action.endsWith(action)) && formOf(page, action) !== null;
}

// Pages link to the issuer, which is no real address here; the same path on the node is used.
function follower(node: TestServer, ua: UserAgent): (page: Page) => Promise<Page> {
  return async (page) => {
    let at = page;
    for (let hop = 0; at.location && hop < 10; hop += 1) {
      const { origin, pathname, search } = new URL(at.location);
      if (origin !== node.url && origin !== new URL(node.issuer).origin) return at;
      at = await ua.send(`${node.url}${pathname}${search}`);
    }
    return at;
  };
}
