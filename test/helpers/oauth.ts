// The requests of most tests: log in, refresh, introspect, call the API.
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, type RemoteJWKSetOptions } from 'jose';
import { makeClient, makeUser, type NamedUser, password } from './builders.ts';
import { type Answer, type Form, granted, type Json, type RequestOptions, send } from './client.ts';
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
  /** Present when the login named its device. */
  device_secret?: string;
}

/** The identification of a client; a row of the database has only its name. */
export interface ClientAuth {
  client_id: string;
  client_secret?: string;
}

/** A user who has logged in through a client. */
export interface SignedIn {
  user: NamedUser;
  client: ClientAuth;
  tokens: Tokens;
}

type Extra = Omit<RequestOptions, 'form'>;

/** POST /token. */
export async function token(server: TestServer, form: Form, extra?: Extra): Promise<Answer> {
  return await send(`${server.url}/token`, { form, ...extra });
}

/** The password grant with the password of all test users. */
export async function login(
  server: TestServer,
  user: Pick<NamedUser, 'username'>,
  client: ClientAuth,
  form: Form = {},
  extra?: Extra,
): Promise<Answer> {
  return await token(
    server,
    { grant_type: 'password', ...authOf(client), username: user.username, password, ...form },
    extra,
  );
}

/** Logs a user in, a new one through a new client unless they are given. */
export async function signIn(
  server: TestServer,
  given: { user?: NamedUser; client?: ClientAuth; form?: Form; extra?: Extra } = {},
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
  client: ClientAuth,
  refresh_token: string,
  form: Form = {},
  extra?: Extra,
): Promise<Answer> {
  return await token(
    server,
    { grant_type: 'refresh_token', ...authOf(client), refresh_token, ...form },
    extra,
  );
}

/** The members of the form that authenticate a client. */
export function authOf({ client_id, client_secret }: ClientAuth): Form {
  return { client_id, client_secret };
}

/** Introspects a token, by default as the gateway. */
export async function introspect(
  server: TestServer,
  value: string,
  client: ClientAuth = gateway,
  form: Form = {},
): Promise<Json> {
  const asked = { ...authOf(client), token: value, ...form };
  return granted(await send(`${server.url}/introspect`, { form: asked }));
}

/** POST /revoke. */
export async function revoke(
  server: TestServer,
  value: string,
  client: ClientAuth,
  form: Form = {},
): Promise<Answer> {
  return await send(`${server.url}/revoke`, { form: { ...authOf(client), token: value, ...form } });
}

/** Whether the gateway sees an active token. */
export async function isActive(server: TestServer, value: string): Promise<unknown> {
  return (await introspect(server, value)).active;
}

/** A request to the API. */
export async function api(
  server: TestServer,
  line: string,
  access_token?: string,
  question: RequestOptions = {},
): Promise<Answer> {
  const [method = 'GET', path = ''] = line.split(' ');
  const authorized = access_token === undefined ? {} : { token: access_token };
  return await send(`${server.url}/api${path}`, { method, ...authorized, ...question });
}

/** Header and claims of a JWT, unverified. */
export function readJwt(jwt: string): { header: Json; claims: Json } {
  return { header: { ...decodeProtectedHeader(jwt) }, claims: { ...decodeJwt(jwt) } };
}

/** The published keys of a server, as a verifier fetches and caches them. */
export function keySetOf({ url }: { url: string }, options: RemoteJWKSetOptions = {}) {
  // The default of five seconds is too short for a busy machine.
  return createRemoteJWKSet(new URL(`${url}/jwks`), { timeoutDuration: 120_000, ...options });
}

/** Whether `seconds` are left of a lifetime, within the tolerance of a busy machine. */
export function isNearly(seconds: number, lifetime: number): boolean {
  return seconds <= lifetime && seconds > lifetime - 90;
}
