// Nodes that a test may kill and restart, on a Postgres of its own.
import type { Knex } from 'knex';
import '../../src/core/tables.ts';
import { openDatabase } from '../../src/core/store/db.ts';
import { migrate } from '../../src/core/store/migrate.ts';
import { type Answer, send } from './client.ts';
import { type RunningPostgres, startPostgres } from './postgres.ts';
import {
  type RunningProcess,
  registerGateway,
  runServerProcess,
  type Settings,
  type TestServer,
} from './server.ts';
import { patience } from './stores.ts';

export interface FleetNode {
  name: string;
  /** Its URL, which changes with every start. */
  url: string;
  /** The number of starts. */
  starts: number;
  isAlive: () => boolean;
  /** `kill -9`. */
  kill: () => Promise<void>;
  /** Starts it again and waits until it listens. */
  restart: () => Promise<void>;
}

export interface Fleet {
  postgres: RunningPostgres;
  db: Knex;
  nodes: FleetNode[];
  /** A node in the form that the other helpers take. */
  at: (node: FleetNode) => TestServer;
  stop: () => Promise<void>;
}

const issuer = 'https://fleet.example.test';

/** Starts a Postgres and `count` nodes on it; the caller stops them. */
export async function startFleet(settings: Settings = {}, count = 3): Promise<Fleet> {
  const postgres = await startPostgres({ crashSafe: true });
  const { url } = postgres;
  await migrate(url);
  const db = openDatabase(url, { wait: patience });
  // Nodes log much about an absent database, which is expected; the tests assert that the nodes stay alive.
  const given = { ISSUER: issuer, LOG_LEVEL: 'silent', ...settings };
  const names = Array.from({ length: count }, (_, i) => `node ${i + 1}`);
  const nodes = await Promise.all(names.map((name) => startNode(name, url, given)));
  const at = (node: Pick<FleetNode, 'url'>): TestServer => ({
    store: 'postgres',
    db,
    databaseUrl: url,
    issuer,
    url: node.url,
  });
  await registerGateway({ name: 'postgres', url, db }, { url, issuer, stop: async () => {} });
  return {
    postgres,
    db,
    nodes,
    at,
    async stop() {
      await Promise.all(nodes.map((node) => node.kill()));
      await db.destroy();
      await postgres.stop();
    },
  };
}

async function startNode(name: string, databaseUrl: string, settings: Settings): Promise<FleetNode> {
  let running: RunningProcess = await runServerProcess(databaseUrl, settings);
  const node: FleetNode = {
    name,
    url: running.url,
    starts: 1,
    isAlive: () => running.isAlive(),
    kill: () => running.kill(),
    async restart() {
      running = await runServerProcess(databaseUrl, settings);
      node.url = running.url;
      node.starts += 1;
    },
  };
  return node;
}

/** The status of `GET /readyz`; 0 without an answer. */
export async function readiness({ url }: FleetNode): Promise<number> {
  const answer = await send(`${url}/readyz`).catch((): Pick<Answer, 'status'> => ({ status: 0 }));
  return answer.status;
}
