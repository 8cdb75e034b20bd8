// Kindred on a store's database, over real HTTP, in this process or in one of its own. It stops with the test or the file.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import { loadConfig } from '../../config/index.ts';
import { createClient, findClient } from '../../src/core/clients/clients.ts';
import { createConcurrencyGate } from '../../src/lib/concurrency_gate.ts';
import { startServer } from '../../src/process/run_server.ts';
import { secret } from './builders.ts';
import { makeStore, type OwnStore, type Store, type StoreName, storeNames } from './stores.ts';
import { giveTime } from './until.ts';

/** Environment variables beside those of {@link environment}. */
export type Settings = Record<string, string>;

export interface TestServer {
  store: StoreName;
  /** The same database, for changes that no request can make: age a row, reset a counter. */
  db: Knex;
  databaseUrl: string;
  /** Its address, which may differ from `issuer`. */
  url: string;
  issuer: string;
}

export interface RunningServer {
  url: string;
  issuer: string;
  stop: () => Promise<void>;
}

/** A server process. */
export interface RunningProcess extends RunningServer {
  /** Kills it with SIGKILL. */
  kill: () => Promise<void>;
  isAlive: () => boolean;
}

/** The client of a resource server that may introspect every token; every test server has it. */
export const gateway = { client_id: 'gateway', client_secret: 'the-secret-of-the-gateway-of-these-tests' };

/** The settings of a test server, which prints its errors. */
export function environment(databaseUrl: string, given: Settings = {}): Settings {
  return {
    NODE_ENV: 'test',
    PORT: '0',
    METRICS_PORT: '0',
    JOBS: 'false',
    DATABASE_URL: databaseUrl,
    KINDRED_SECRET: secret,
    RATE_LIMITS: 'off',
    // Production refuses both without a mail server.
    ...(given.NODE_ENV === 'production' ? {} : { RECOVERY: 'mail', SIGN_UP: 'open' }),
    LOG_LEVEL: 'error',
    ...given,
  };
}

/** Starts a server in this process; stopped with the test. */
export async function startTestServer(
  t: ExecutionContext,
  store: Store,
  settings?: Settings,
): Promise<TestServer> {
  return await opened(t, store, await runServer(store.url, settings));
}

/** Starts a server as a process of its own; stopped with the test. */
export async function startServerProcess(
  t: ExecutionContext,
  store: Store,
  settings?: Settings,
): Promise<TestServer> {
  return await opened(t, store, await runServerProcess(store.url, settings));
}

async function opened(t: ExecutionContext, store: Store, running: RunningServer): Promise<TestServer> {
  t.teardown(running.stop);
  return await registerGateway(store, running);
}

type Body = (t: ExecutionContext, server: TestServer) => Promise<void>;

/** Registers the test once per store, on a server that all such tests of the file share; each test makes its own users. */
export function testOnServers(title: string, body: Body, stores: StoreName[] = storeNames): void {
  for (const name of stores)
    testLimited(`${title} (${name})`, async (t) => await body(t, await sharedServer(name)));
}

/** Registers a test that waits until few others of its file run. */
export function testLimited(title: string, body: (t: ExecutionContext) => Promise<void>): void {
  test(title, async (t) => {
    await places(async () => {
      giveTime(t);
      await body(t);
    });
  });
}

/** Registers the test once per store, on a server of its own with these settings. */
export function testOnOwnServers(
  title: string,
  settings: Settings | ((name: StoreName) => Settings),
  body: Body,
) {
  for (const name of storeNames) {
    testLimited(`${title} (${name})`, async (t) => {
      const store = await makeStore(name);
      t.teardown(store.drop);
      const given = typeof settings === 'function' ? settings(name) : settings;
      await body(t, await startTestServer(t, store, given));
    });
  }
}

// All tests of a file begin at once; more than this would only wait for each other's password hashes.
const places = createConcurrencyGate(6);

const shared = new Map<StoreName, Promise<{ store: OwnStore; running: RunningServer; server: TestServer }>>();

async function sharedServer(name: StoreName): Promise<TestServer> {
  const known = shared.get(name) ?? startShared(name);
  shared.set(name, known);
  return (await known).server;
}

async function startShared(name: StoreName) {
  const store = await makeStore(name);
  const running = await runServer(store.url);
  return { store, running, server: await registerGateway(store, running) };
}

test.after.always('the shared servers stop', async () => {
  for (const starting of shared.values()) {
    const { store, running } = await starting;
    await running.stop();
    await store.drop();
  }
});

/** Registers the gateway, if it is missing, and returns the server. */
export async function registerGateway(store: Store, { url, issuer }: RunningServer): Promise<TestServer> {
  const server = { store: store.name, db: store.db, databaseUrl: store.url, url, issuer };
  if (!(await findClient(store.db, gateway.client_id))) {
    await createClient(store.db, {
      ...gateway,
      token_endpoint_auth_method: 'client_secret_post',
      grant_types: ['client_credentials'],
      resource_server: '*',
    });
  }
  return server;
}

export async function runServer(databaseUrl: string, settings?: Settings): Promise<RunningServer> {
  const { config, stop } = await startServer(loadConfig(environment(databaseUrl, settings)));
  return { url: `http://127.0.0.1:${config.port}`, issuer: config.issuer, stop };
}

/** Starts a server process; the caller stops it. `execArgv` are flags of Node. */
export async function runServerProcess(
  databaseUrl: string,
  settings?: Settings,
  execArgv: string[] = [],
): Promise<RunningProcess> {
  const env = environment(databaseUrl, settings);
  const child = fork(fileURLToPath(new URL('children/serve.ts', import.meta.url)), {
    env: { PATH: process.env.PATH, ...env },
    execArgv,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const died = once(child, 'exit').then(([code]) => Promise.reject(new Error(`the server ended: ${code}`)));
  died.catch(() => {});
  const [{ port }] = (await Promise.race([once(child, 'message'), died])) as [{ port: number }];
  const url = `http://127.0.0.1:${port}`;
  const isAlive = () => child.exitCode === null && child.signalCode === null;
  return {
    url,
    issuer: env.ISSUER ?? url,
    isAlive,
    async stop() {
      if (!isAlive()) return;
      // Three times the server's own limit for a shutdown.
      const timer = setTimeout(() => child.kill('SIGKILL'), 45_000);
      child.disconnect();
      await died.catch(() => {});
      clearTimeout(timer);
    },
    async kill() {
      child.kill('SIGKILL');
      await died.catch(() => {});
    },
  };
}
