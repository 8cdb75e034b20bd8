// A real Postgres for one run: made in a scratch folder, on a free port of the loopback, gone afterwards.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { importEmbeddedPostgres } from './binaries.ts';
import { makeScratch } from './scratch.ts';

const settings = {
  listen_addresses: '127.0.0.1',
  // None: the default, a file in /tmp, would stay behind a Postgres that is killed.
  unix_socket_directories: '',
  max_connections: '400',
  // Errors are what many tests provoke; `log` is what tells that Postgres is ready.
  log_min_messages: 'log',
  // Nothing here outlives the machine, so nothing has to survive its crash.
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
};

/**
 * Starts Postgres; `url` names its database `postgres`. It ends with this process, even if nobody calls `stop`. `changes`
 * are settings that differ from ours.
 */
export async function startPostgres(
  changes: Record<string, string> = {},
): Promise<{ url: string; stop(): Promise<void> }> {
  const { default: EmbeddedPostgres } = await importEmbeddedPostgres();
  const scratch = await makeScratch();
  const password = randomBytes(12).toString('hex');
  const log: unknown[] = [];
  const holder = await listen();
  const { port } = holder.address() as AddressInfo;
  const postgres = new EmbeddedPostgres({
    databaseDir: join(scratch.path, 'postgres'),
    port,
    password,
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C', '--no-sync'],
    postgresFlags: Object.entries({ ...settings, ...changes }).flatMap(([name, value]) => [
      '-c',
      `${name}=${value}`,
    ]),
    onLog: (line) => log.push(line),
    onError: (line) => log.push(line),
  });
  try {
    await postgres.initialise();
    // Held until now, so that nobody else takes the port while the data directory is made.
    await close(holder);
    await postgres.start();
  } catch (cause) {
    await scratch.remove();
    throw new Error(`Postgres did not start:\n${log.join('\n')}`, { cause });
  }
  return {
    url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
    async stop() {
      await postgres.stop();
      await scratch.remove();
    },
  };
}

async function listen(): Promise<Server> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

async function close(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}
