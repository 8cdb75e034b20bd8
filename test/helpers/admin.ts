// Administrators and their requests.
import { routes } from '../../src/app.ts';
import type { Route } from '../../src/http/api/routes.ts';
import { makeClient, makeUser } from './builders.ts';
import { type Answer, granted, type Json, type RequestOptions } from './client.ts';
import { api, type ClientAuth, type SignedIn, signIn, token, tokensOf } from './oauth.ts';
import { makeConfidentialClient } from './resources.ts';
import type { TestServer } from './server.ts';

/** Every route that only administrators may call. */
export const adminRoutes: Route[] = routes.filter((row) => row.auth === 'admin');

export interface Admin extends SignedIn {
  /** An access token with the scope `admin`. */
  token: string;
}

/** The scope of the clients that administrators log in through. */
export const adminScope = 'openid account admin';

/** A user with the role `admin` who has logged in with the scope `admin`; a new one unless given. `ttl` of the token in seconds. */
export async function enterAsAdmin(
  server: TestServer,
  given: { user?: SignedIn['user']; ttl?: number } = {},
): Promise<Admin> {
  const user = given.user ?? (await makeUser(server.db, { roles: ['admin'] }));
  const ttl = given.ttl === undefined ? {} : { access_token_ttl: given.ttl };
  const client = await makeClient(server.db, { scope: adminScope, ...ttl });
  const signedIn = await signIn(server, { user, client, form: { scope: adminScope } });
  return { ...signedIn, token: signedIn.tokens.access_token };
}

/** A confidential first-party client of this scope, and its own token. */
export async function enterAsClient(
  server: TestServer,
  scope: string,
): Promise<{ client: Required<ClientAuth>; token: string }> {
  const client = await makeConfidentialClient(server, { scope, grant_types: ['client_credentials'] });
  return { client, token: await clientToken(server, client, { scope }) };
}

/** The access token of `client_credentials`. */
export async function clientToken(
  server: TestServer,
  client: ClientAuth,
  form: { scope?: string; resource?: string } = {},
): Promise<string> {
  const { client_id, client_secret } = client;
  const answer = await token(server, { grant_type: 'client_credentials', client_id, client_secret, ...form });
  return tokensOf(answer).access_token;
}

/** POSTs `json` to an admin route. */
export async function post(
  server: TestServer,
  { token }: { token: string },
  path: string,
  json: unknown = {},
  question: RequestOptions = {},
): Promise<Answer> {
  return await api(server, `POST /admin${path}`, token, { json, ...question });
}

/** The body of a GET to an admin route. */
export async function read(server: TestServer, { token }: { token: string }, path: string): Promise<Json> {
  return granted(await api(server, `GET /admin${path}`, token));
}

/** All items of a list, page by page, and the length of each page. */
export async function readPages<Item = Json>(
  server: TestServer,
  admin: { token: string },
  path: string,
  name: string,
): Promise<{ items: Item[]; pages: number[] }> {
  const items: Item[] = [];
  const pages: number[] = [];
  let cursor: string | null = '';
  while (cursor !== null && pages.length < 100) {
    const join = path.includes('?') ? '&' : '?';
    const page = await read(server, admin, cursor ? `${path}${join}cursor=${cursor}` : path);
    const found = page[name] as Item[];
    items.push(...found);
    pages.push(found.length);
    cursor = page.next_cursor as string | null;
  }
  return { items, pages };
}

/** The events of one user, oldest first, after a flush. */
export async function trailOf(server: TestServer, admin: { token: string }, query: string): Promise<Json[]> {
  const { items } = await readPages(server, admin, `/events?limit=200&${query}`, 'events');
  return items.toReversed();
}
