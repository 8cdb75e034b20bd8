// Whom the bench compares: Kindred as it ships, and the floor. Each runs in a process of its own, on its own database.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import { createClient } from '../src/core/clients.ts';
import { openDatabase, rows } from '../src/core/db.ts';
import { hashPassword } from '../src/core/passwords.ts';
import { decodeRefreshToken } from '../src/core/refresh_token.ts';
import { createUser } from '../src/core/users.ts';
import { post, type Target } from './load.ts';

export interface RunningPeer extends Target {
  name: string;
  /** Stops the peer and gives the share of its updates that stayed heap-only: Postgres has them all once it hung up. */
  finish: () => Promise<number>;
  stop: () => Promise<void>;
}

export interface Peer {
  name: string;
  start: (databaseUrl: string, connections: number) => Promise<RunningPeer>;
}

const client_id = 'bench';
const password = 'correct horse battery staple';

async function startKindred(databaseUrl: string, connections: number): Promise<RunningPeer> {
  const child = await serve('../test/helpers/children/serve.ts', databaseUrl);
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  await furnish(databaseUrl, connections);
  const logins = Array.from({ length: connections }, (_, index) =>
    post(
      { url: child.url, agent },
      { grant_type: 'password', client_id, username: `user-${index}`, password },
    ),
  );
  const chains = (await Promise.all(logins)).map((answer) => String(answer.refresh_token));
  const newest = new Map<string, string>();
  return {
    name: 'kindred',
    url: child.url,
    pid: child.pid,
    agent,
    chains,
    form: (refresh_token) => ({ grant_type: 'refresh_token', client_id, refresh_token }),
    check: (presented, answer) => checkRotation(presented, answer, newest),
    async finish() {
      await verifySignatures(child.url, newest);
      await child.stop();
      return await readHotShare(databaseUrl);
    },
    stop: child.stop,
  };
}

// Every answer: the next generation of the same session, and an access token of that session.
function checkRotation(
  presented: string,
  answer: Record<string, unknown>,
  newest: Map<string, string>,
): string {
  const [before, after] = [presented, String(answer.refresh_token)].map(decodeRefreshToken);
  const access = String(answer.access_token);
  const isNext = after && before && after.generation === before.generation + 1;
  if (!isNext || after.session_id !== before.session_id || decodeJwt(access).sid !== after.session_id)
    throw new Error(`not the successor that was due: ${JSON.stringify(answer)}`);
  newest.set(after.session_id, access);
  return String(answer.refresh_token);
}

// Verifying each in the generator would measure the generator; the last one of each chain stands for the rest.
async function verifySignatures(url: string, newest: Map<string, string>): Promise<void> {
  const keys = createRemoteJWKSet(new URL(`${url}/jwks`));
  await Promise.all(
    [...newest.values()].map((token) => jwtVerify(token, keys, { issuer: url, typ: 'at+jwt' })),
  );
}

async function furnish(databaseUrl: string, users: number): Promise<void> {
  const db = openDatabase(databaseUrl, { pool: 1 });
  try {
    await createClient(db, { client_id, first_party: true, token_endpoint_auth_method: 'none' });
    const password_hash = await hashPassword(password);
    for (let index = 0; index < users; index += 1) {
      await createUser(db, { username: `user-${index}`, password_hash });
    }
  } finally {
    await db.destroy();
  }
}

async function startFloor(databaseUrl: string, connections: number): Promise<RunningPeer> {
  const child = await serve('floor.ts', databaseUrl, { CONNECTIONS: String(connections) });
  return {
    name: 'floor',
    url: child.url,
    pid: child.pid,
    agent: new Agent({ keepAlive: true, maxSockets: connections }),
    chains: Array.from({ length: connections }, (_, id) => `${id}.0`),
    form: (refresh_token) => ({ grant_type: 'refresh_token', refresh_token }),
    check(presented, answer) {
      const [id, generation] = presented.split('.');
      const due = `${id}.${Number(generation) + 1}`;
      if (answer.refresh_token !== due || decodeJwt(String(answer.access_token)).sid !== id)
        throw new Error(`not the successor that was due: ${JSON.stringify(answer)}`);
      return due;
    },
    async finish() {
      await child.stop();
      return await readHotShare(databaseUrl);
    },
    stop: child.stop,
  };
}

export const peers: Peer[] = [
  { name: 'kindred', start: startKindred },
  { name: 'floor', start: startFloor },
];

// The log goes nowhere but is written: that is part of what a request costs.
async function serve(script: string, databaseUrl: string, more: Record<string, string> = {}) {
  const env = {
    PATH: process.env.PATH,
    NODE_ENV: 'test',
    PORT: '0',
    METRICS_PORT: '0',
    DATABASE_URL: databaseUrl,
    KINDRED_SECRET: 'YSBzZWNyZXQgZm9yIHRoZSBiZW5jaCwgYW5kIG5vdGhpbmcgZWxzZQ',
    RATE_LIMITS: 'off',
    ...more,
  };
  const path = fileURLToPath(new URL(script, import.meta.url));
  const child = fork(path, { env, execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const died = once(child, 'exit').then(([code]) => Promise.reject(new Error(`${script} ended: ${code}`)));
  died.catch(() => {});
  const [{ port }] = (await Promise.race([once(child, 'message'), died])) as [{ port: number }];
  return { url: `http://127.0.0.1:${port}`, pid: child.pid ?? 0, stop: () => stop(child) };
}

// The children end when their parent lets go of them, or dies.
async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  if (child.connected) child.disconnect();
  await exited;
}

async function readHotShare(databaseUrl: string): Promise<number> {
  const db = openDatabase(databaseUrl, { pool: 1 });
  try {
    // A backend that ends hands its counts in, a moment later.
    await sleep(500);
    const [row] = await rows<{ share: number }>(
      db,
      "select n_tup_hot_upd::float8 / nullif(n_tup_upd, 0) as share from pg_stat_user_tables where relname = 'sessions'",
    );
    return row?.share ?? Number.NaN;
  } finally {
    await db.destroy();
  }
}
