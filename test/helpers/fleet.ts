// Nodes that die and come back, on one Postgres that a test may do anything to.
import type { ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import { openDatabase } from '../../src/core/db.ts';
import { migrate } from '../../src/core/migrate.ts';
import { type Answer, send } from './client.ts';
import { type RunningPostgres, startPostgres } from './postgres.ts';
import { furnish, type RunningProcess, type Settings, serveElsewhere, type TestServer } from './server.ts';

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
}

const issuer = 'https://fleet.example.test';

/** Starts a Postgres of its own and `count` nodes on it; all of it ends with the test. */
export async function startFleet(t: ExecutionContext, settings: Settings = {}, count = 3): Promise<Fleet> {
  const postgres = await startPostgres({ crashSafe: true });
  t.teardown(postgres.stop);
  await migrate(postgres.url);
  const db = openDatabase(postgres.url);
  t.teardown(() => db.destroy());
  // What nodes say of a database that is away is expected, and much; that they live on is asserted.
  const given = { ISSUER: issuer, LOG_LEVEL: 'silent', ...settings };
  const names = Array.from({ length: count }, (_, i) => `node ${i + 1}`);
  const nodes = await Promise.all(names.map((name) => startNode(t, name, postgres.url, given)));
  const base = { store: 'postgres', db, databaseUrl: postgres.url, issuer } as const;
  const [first] = nodes;
  if (first)
    await furnish(
      { name: 'postgres', url: postgres.url, db },
      { url: first.url, issuer, stop: async () => {} },
    );
  return { postgres, db, nodes, at: ({ url }) => ({ ...base, url }) };
}

async function startNode(
  t: ExecutionContext,
  name: string,
  databaseUrl: string,
  settings: Settings,
): Promise<FleetNode> {
  let running: RunningProcess = await serveElsewhere(databaseUrl, settings);
  t.teardown(() => running.stop());
  const node: FleetNode = {
    name,
    url: running.url,
    starts: 1,
    isAlive: () => running.isAlive(),
    kill: () => running.kill(),
    async restart() {
      running = await serveElsewhere(databaseUrl, settings);
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
