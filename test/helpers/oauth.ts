// The requests that most tests begin with: log in, refresh, introspect, call the API.
import { decodeJwt, decodeProtectedHeader } from 'jose';
import type { Client } from '../../src/core/clients.ts';
import type { User } from '../../src/core/users.ts';
import { makeClient, makeUser, password } from './builders.ts';
import { type Answer, type Form, granted, type Json, type Question, send } from './client.ts';
import { gateway, type TestServer } from './server.ts';

export interface Tokens {
  access_token: string;
  refresh_token: string;
  token_type: string;
  expires_in: number;
  scope: string;
  session_id: string;
  refresh_token_expires_in: number;
  id_token?: string;
}

/** One user who has logged in through one client. */
export interface SignedIn {
  user: User;
  client: Client;
  tokens: Tokens;
}

type Extra = Omit<Question, 'form'>;

/** POST /token. */
export async function token(server: TestServer, form: Form, extra?: Extra): Promise<Answer> {
  return await send(`${server.url}/token`, { form, ...extra });
}

/** The password grant with the password that all test users have. */
export async function login(
  server: TestServer,
  user: Pick<User, 'username'>,
  client: Pick<Client, 'client_id'>,
  form: Form = {},
  extra?: Extra,
): Promise<Answer> {
  const { client_id } = client;
  return await token(
    server,
    { grant_type: 'password', client_id, username: user.username, password, ...form },
    extra,
  );
}

/** Logs a user in, a new one through a new client unless they are given. */
export async function signIn(
  server: TestServer,
  given: { user?: User; client?: Client; form?: Form; extra?: Extra } = {},
): Promise<SignedIn> {
  const user = given.user ?? (await makeUser(server.db));
  const client = given.client ?? (await makeClient(server.db));
  return { user, client, tokens: tokensOf(await login(server, user, client, given.form, given.extra)) };
}

/** The tokens of a 200; anything else fails the test. */
export function tokensOf(answer: Answer): Tokens {
  return granted(answer) as unknown as Tokens;
}

/** The refresh grant. */
export async function refresh(
  server: TestServer,
  client: Pick<Client, 'client_id'>,
  refresh_token: string,
  form: Form = {},
  extra?: Extra,
): Promise<Answer> {
  const { client_id } = client;
  return await token(server, { grant_type: 'refresh_token', client_id, refresh_token, ...form }, extra);
}

/** What introspection answers, by default to the gateway. */
export async function introspect(server: TestServer, value: string, form: Form = gateway): Promise<Json> {
  return granted(await send(`${server.url}/introspect`, { form: { ...form, token: value } }));
}

/** POST /revoke. */
export async function revoke(server: TestServer, value: string, form: Form): Promise<Answer> {
  return await send(`${server.url}/revoke`, { form: { ...form, token: value } });
}

/** Whether the gateway sees an active token. */
export async function isActive(server: TestServer, value: string): Promise<unknown> {
  return (await introspect(server, value)).active;
}

/** A request to our own API. */
export async function api(
  server: TestServer,
  line: string,
  access_token?: string,
  question: Question = {},
): Promise<Answer> {
  const [method = 'GET', path = ''] = line.split(' ');
  const authorized = access_token === undefined ? {} : { token: access_token };
  return await send(`${server.url}/api${path}`, { method, ...authorized, ...question });
}

/** Header and claims of a JWT, unverified. */
export function readJwt(jwt: string): { header: Json; claims: Json } {
  return { header: { ...decodeProtectedHeader(jwt) }, claims: { ...decodeJwt(jwt) } };
}
