// The environment of every bench: one Postgres, one generator, server processes, pinned to cores where the machine allows it.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { startPostgres } from '../../test/helpers/postgres.ts';
import { databaseUrl, query } from '../../test/helpers/templates.ts';
import { createGenerator, type Generator } from '../generator/index.ts';
import { choosePlaces, type Places, pinTree } from '../machine/pinning.ts';
import type { Options } from './options.ts';

export const resultsDirectory = join(import.meta.dirname, '../results');

export interface Child {
  url: string;
  pid: number;
  process: ChildProcess;
  stop: () => Promise<void>;
}

export interface Stage {
  options: Options;
  places: Places | null;
  /** The process of Postgres that has all others as children. */
  postmaster: number;
  generator: Generator;
  /** A new, empty database. */
  createDatabase: (name: string) => Promise<string>;
  /** Starts a script (a path from bench/) as a server, pinned by default. `clear` stops it at the latest. */
  serve: (
    script: string,
    env: Record<string, string>,
    how?: { profile?: string; pinned?: boolean },
  ) => Promise<Child>;
  /** Stops the servers and drops the databases. */
  clear: () => Promise<void>;
  stop: () => Promise<void>;
}

/** Starts Postgres and the generator. */
export async function openStage(options: Options): Promise<Stage> {
  const places = options.pin ? choosePlaces() : null;
  const postgres = await startPostgres(
    options.durable ? { changes: { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on' } } : {},
  );
  const postmaster = await findPostmaster(postgres.url);
  if (places) pinTree(postmaster, places.postgres);
  const script = fileURLToPath(new URL('../generator/process.ts', import.meta.url));
  const child = await start(script, {}, { cores: places?.generator });
  const children: Child[] = [];
  const databases: string[] = [];
  return {
    options,
    places,
    postmaster,
    generator: createGenerator(child.process),
    async createDatabase(name) {
      await query(postgres.url, `create database ${name}`);
      databases.push(name);
      return databaseUrl(postgres.url, name);
    },
    async serve(path, env, { profile, pinned = true } = {}) {
      const flags =
        profile === undefined || !options.profile
          ? nodeFlags
          : [
              ...nodeFlags,
              '--cpu-prof',
              `--cpu-prof-dir=${resultsDirectory}`,
              `--cpu-prof-name=${profile}.cpuprofile`,
            ];
      const server = await start(fileURLToPath(new URL(`../${path}`, import.meta.url)), env, {
        cores: pinned ? places?.server : undefined,
        flags,
      });
      children.push(server);
      return server;
    },
    async clear() {
      await Promise.all(children.splice(0).map((one) => one.stop()));
      for (const name of databases.splice(0)) await query(postgres.url, `drop database ${name} with (force)`);
    },
    async stop() {
      await Promise.all([...children, child].map((one) => one.stop()));
      await postgres.stop();
    },
  };
}

/** The flags of `npm start`; the peers get the same. */
const nodeFlags = ['--max-old-space-size=512', '--max-semi-space-size=8', '--no-allocation-site-pretenuring'];

// fork() with taskset as the program: taskset becomes node under the same process id.
async function start(
  script: string,
  env: Record<string, string>,
  { cores, flags = [] }: { cores?: string | undefined; flags?: string[] },
): Promise<Child> {
  const child = fork(script, {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    ...(cores === undefined
      ? { execArgv: flags }
      : { execPath: 'taskset', execArgv: ['-c', cores, process.execPath, ...flags] }),
  });
  const died = once(child, 'exit').then(([code]) => Promise.reject(new Error(`${script} ended: ${code}`)));
  died.catch(() => {});
  const [{ port }] = (await Promise.race([once(child, 'message'), died])) as [{ port: number }];
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    process: child,
    stop: () => stop(child),
  };
}

/** Milliseconds that a child has for its end; a server lets requests in flight finish for ten seconds. */
const patience = 20_000;

// A child exits when its parent disconnects or dies.
async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  if (child.connected) child.disconnect();
  const timer = setTimeout(() => child.kill('SIGKILL'), patience);
  await exited;
  clearTimeout(timer);
}

/** Sends a child a message and waits for its answer; fails when the child exits first. */
export async function askChild<Answer>({ process: child }: Child, message: object | string): Promise<Answer> {
  const over = new AbortController();
  const died = once(child, 'exit', over).then(([code]) =>
    Promise.reject(new Error(`a child ended: ${code}`)),
  );
  died.catch(() => {});
  try {
    child.send(message);
    const [answer] = await Promise.race([once(child, 'message', over), died]);
    return answer;
  } finally {
    over.abort();
  }
}

async function findPostmaster(url: string): Promise<number> {
  const [row] = await select<{ data_directory: string }>(url, 'show data_directory');
  const file = await readFile(join(row?.data_directory ?? '', 'postmaster.pid'), 'utf8');
  return Number(file.split('\n')[0]);
}

/** The rows of one statement, on a connection of its own. */
export async function select<Row extends pg.QueryResultRow>(
  url: string,
  sql: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql, values)).rows;
  } finally {
    await client.end();
  }
}
