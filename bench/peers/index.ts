// The servers that the bench compares. Each runs in a process of its own, on a database of its own, and reports its port.
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { createClient } from '../../src/core/clients/clients.ts';
import { hashPassword } from '../../src/core/passwords/password_hash.ts';
import { openDatabase } from '../../src/core/store/db.ts';
import { createUser } from '../../src/core/users/user_changes.ts';
import { WrongAnswer } from '../generator/index.ts';
import type { RefreshLoad } from '../generator/refresh.ts';
import type { Child, Stage } from '../harness/stage.ts';

export const client_id = 'bench';
/** The client that introspects. */
export const api = {
  client_id: 'bench-api',
  client_secret: 'the-secret-of-the-client-of-the-bench-that-introspects',
};
export const password = 'correct horse battery staple';
export const secret = 'YSBzZWNyZXQgZm9yIHRoZSBiZW5jaCwgYW5kIG5vdGhpbmcgZWxzZQ';
export const connections = 16;

export type PeerName = 'kindred' | 'floor' | 'node_oauth' | 'stock';

export interface RunningPeer extends Child {
  name: PeerName;
  databaseUrl: string;
  tokens: RefreshLoad['tokens'];
}

const scripts: Record<PeerName, string> = {
  kindred: '../test/helpers/children/serve.ts',
  floor: 'peers/floor.ts',
  node_oauth: 'peers/node_oauth.ts',
  stock: 'peers/stock.ts',
};

/** Starts a peer on a new database, with its clients and `users` users (`user-0` …). */
export async function startPeer(
  stage: Stage,
  bench: string,
  name: PeerName,
  users = connections,
): Promise<RunningPeer> {
  const databaseUrl = await stage.createDatabase(`${bench}_${name}`);
  if (name !== 'kindred') {
    const env = { DATABASE_URL: databaseUrl, USERS: String(users), PASSWORD: password, CLIENT_ID: client_id };
    const child = await stage.serve(scripts[name], env);
    return { ...child, name, databaseUrl, tokens: name === 'floor' ? 'floor' : 'random' };
  }
  const child = await startKindred(stage, databaseUrl, bench);
  await createClientsAndUsers(databaseUrl, users);
  return { ...child, name, databaseUrl, tokens: 'kindred' };
}

/** Starts Kindred with its default settings, except that rate limits are off. It writes its log, which is part of the cost. */
export async function startKindred(stage: Stage, databaseUrl: string, bench: string): Promise<Child> {
  return await stage.serve(scripts.kindred, kindredEnvironment(databaseUrl), {
    profile: `${bench}-kindred`,
  });
}

/** The settings of the server under test. */
export function kindredEnvironment(databaseUrl: string): Record<string, string> {
  return {
    NODE_ENV: 'test',
    PORT: '0',
    METRICS_PORT: '0',
    DATABASE_URL: databaseUrl,
    KINDRED_SECRET: secret,
    RATE_LIMITS: 'off',
  };
}

/** Creates a first-party client, a client that introspects, and users. */
export async function createClientsAndUsers(databaseUrl: string, users = connections): Promise<void> {
  const db = openDatabase(databaseUrl, { pool: 1 });
  try {
    await createClient(db, { client_id, first_party: true, token_endpoint_auth_method: 'none' });
    await createClient(db, { ...api, grant_types: ['client_credentials'], resource_server: '*' });
    const password_hash = await hashPassword(password);
    for (let index = 0; index < users; index += 1) {
      await createUser(db, { username: `user-${index}`, email: `user-${index}@example.test`, password_hash });
    }
  } finally {
    await db.destroy();
  }
}

export interface Tokens {
  access_token: string;
  refresh_token: string;
}

/** Logs a user in by the password grant. */
export async function logIn({ url }: Pick<Child, 'url'>, username: string): Promise<Tokens> {
  const body = new URLSearchParams({ grant_type: 'password', client_id, username, password });
  const response = await fetch(`${url}/token`, { method: 'POST', body });
  const answer = await response.text();
  if (response.status !== 200) throw new WrongAnswer(`a login was answered ${response.status}: ${answer}`);
  return JSON.parse(answer);
}

/** The load in which each of 16 connections refreshes a session of its own. */
export async function refreshLoad(
  peer: Omit<RunningPeer, 'stop'>,
  more: Partial<RefreshLoad> = {},
): Promise<RefreshLoad> {
  const first: string[] = [];
  for (let index = 0; index < connections; index += 1) {
    first.push((await logIn(peer, `user-${index}`)).refresh_token);
  }
  return { kind: 'refresh', url: peer.url, client_id, tokens: peer.tokens, first, ...more };
}

/** Verifies the last token of each chain. To verify every answer in the generator would measure the generator. */
export async function verifySignatures({ url, name }: RunningPeer, tokens: string[]): Promise<void> {
  if (tokens.length === 0) throw new WrongAnswer(`${name}: there is no access token to verify`);
  const keys = createRemoteJWKSet(new URL(`${url}/jwks`));
  for (const token of tokens) {
    await jwtVerify(token, keys, { issuer: url, typ: 'at+jwt', algorithms: ['ES256'] }).catch((error) => {
      throw new WrongAnswer(`${name}: ${error.message}: ${token}`);
    });
  }
}
