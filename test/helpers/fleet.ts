// Nodes that die and come back, on one Postgres that a test may do anything to.
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
  /** Where it listens; another place after every start. */
  url: string;
  /** How often it was started. */
  starts: number;
  isAlive: () => boolean;
  /** `kill -9`. */
  kill: () => Promise<void>;
  /** Starts it again, and waits until it can work. */
  restart: () => Promise<void>;
}

export interface Fleet {
  postgres: RunningPostgres;
  db: Knex;
  nodes: FleetNode[];
  /** A node as the other helpers want it. */
  at: (node: FleetNode) => TestServer;
  stop: () => Promise<void>;
}

const issuer = 'https://fleet.example.test';

/** Starts a Postgres of its own and `count` nodes on it; whoever starts it stops it. */
export async function startFleet(settings: Settings = {}, count = 3): Promise<Fleet> {
  const postgres = await startPostgres({ crashSafe: true });
  const { url } = postgres;
  await migrate(url);
  const db = openDatabase(url, { wait: patience });
  // What nodes say of a database that is away is expected, and much; that they live on is asserted.
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

/** What `GET /readyz` says: the status, 0 when nobody answers. */
export async function readiness({ url }: FleetNode): Promise<number> {
  const answer = await send(`${url}/readyz`).catch((): Pick<Answer, 'status'> => ({ status: 0 }));
  return answer.status;
}
