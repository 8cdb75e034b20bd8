// A server listens only when it can answer: a proxy sends a refused connection to another server.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { loadConfig } from '../../../config/index.ts';
import { openDatabase } from '../../../src/core/store/db.ts';
import { startServer } from '../../../src/process/run_server.ts';
import { environment } from '../../helpers/server.ts';
import { freePort } from '../../helpers/server_process.ts';
import { makeStore, testOnStores } from '../../helpers/stores.ts';
import { until } from '../../helpers/until.ts';

const script = fileURLToPath(new URL('../../../src/server.ts', import.meta.url));

const isRefused = async (port: number): Promise<boolean> => {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return false;
  } catch (error) {
    return (error as { code?: string }).code === 'ECONNREFUSED';
  } finally {
    socket.destroy();
  }
};

test('a server refuses connections while it opens its database, and its first answer succeeds', async (t) => {
  const store = await makeStore('postgres');
  t.teardown(store.drop);
  const other = openDatabase(store.url, { pool: 1 });
  t.teardown(() => other.destroy());
  const blocking = await other.transaction();
  t.teardown(() => blocking.rollback());
  await blocking.raw('lock table signing_keys in access exclusive mode');
  const port = await freePort();
  const env = { PATH: process.env.PATH, ...environment(store.url, { PORT: String(port) }) };
  const child = spawn(process.execPath, [script], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const greeted = once(child.stdout, 'data');
  await until(async () => {
    const { rows } = await store.db.raw(
      `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    return rows.length > 0;
  });
  t.true(await isRefused(port));
  await blocking.commit();
  await greeted;
  t.is((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200);
});

testOnStores('a port that is taken stops the start, and nothing stays open', async (t, { url }) => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.teardown(() => taken.close());
  const { port } = taken.address() as { port: number };
  const config = loadConfig(environment(url, { PORT: String(port) }));
  await t.throwsAsync(startServer(config), { code: 'EADDRINUSE' });
});
