import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import { loadConfig } from '../../../config/index.ts';
import { openDeps } from '../../../src/core/deps.ts';
import { openDatabase } from '../../../src/core/store/db.ts';
import { createReadinessCheck } from '../../../src/core/store/readiness.ts';
import { serveMetrics } from '../../../src/http/listener/metrics_server.ts';
import { type Answer, send } from '../../helpers/client.ts';
import { environment, startTestServer, testOnOwnServers } from '../../helpers/server.ts';
import { testOnEmptyStores, testOnStores } from '../../helpers/stores.ts';
import { until } from '../../helpers/until.ts';

/** The answer with this status: on a busy machine the check may take longer than the second after which it gives up. */
async function sendUntil(status: number, ...request: Parameters<typeof send>): Promise<Answer> {
  return await until(async () => {
    const answer = await send(...request);
    return answer.status === status && answer;
  }, `${request[0]} answers ${status}`);
}

testOnOwnServers(
  'a working server is ready, publicly, and the answer must not be cached',
  {},
  async (t, server) => {
    for (const [path, body] of [
      ['/healthz', { status: 'ok' }],
      ['/readyz', { status: 'ready', checks: { database: true, migrations: true, signing_key: true } }],
    ] as const) {
      const answer = await sendUntil(200, `${server.url}${path}`);
      t.deepEqual([answer.status, answer.body, answer.headers['cache-control']], [200, body, 'no-store']);
      t.is((await sendUntil(200, `${server.url}${path}`, { method: 'HEAD' })).status, 200);
      const posted = await send(`${server.url}${path}`, { method: 'POST' });
      t.deepEqual([posted.status, posted.headers.allow], [405, 'GET, HEAD']);
    }
  },
);

testOnStores('without a current signing key a server is up but not ready', async (t, store) => {
  const server = await startTestServer(t, store);
  await store.db('signing_keys').where({ status: 'current' }).delete();
  const body = { status: 'not_ready', checks: { database: true, migrations: true, signing_key: false } };
  await until(
    async () => isDeepStrictEqual((await send(`${server.url}/readyz`)).body, body),
    'only the key is missing',
  );
  t.is((await send(`${server.url}/readyz`)).status, 503);
  t.is((await send(`${server.url}/healthz`)).status, 200);
});

testOnEmptyStores('a database without our tables is reachable and not migrated', async (t, { db }) => {
  const look = createReadinessCheck(db);
  const found = await until(async () => {
    const checks = await look();
    return checks.database && checks;
  });
  t.deepEqual(found, { database: true, migrations: false, signing_key: false });
});

test('the readiness check waits at most a second for the database', async (t) => {
  // Accepts connections and sends nothing.
  const sockets: Socket[] = [];
  let givenUp = 0;
  const mute = createServer((socket) => {
    sockets.push(socket.on('close', () => (givenUp += 1)));
  }).listen(0, '127.0.0.1');
  await once(mute, 'listening');
  const address = mute.address() as { port: number };
  const db = openDatabase(`postgres://kindred@127.0.0.1:${address.port}/kindred`);
  const look = createReadinessCheck(db);
  const never = { database: false, migrations: false, signing_key: false };
  t.deepEqual(await Promise.all([look(), look(), look()]), [never, never, never]);
  t.is(givenUp, 0, 'it still hangs, for the five seconds that any other statement would wait');
  t.deepEqual(await look(), never);
  t.is(sockets.length, 1, 'and however often it is asked, one connection hangs');
  for (const socket of sockets) socket.destroy();
  mute.close();
  await db.destroy();
  const refused = openDatabase('postgres://kindred@127.0.0.1:1/kindred');
  t.deepEqual(await createReadinessCheck(refused)(), {
    database: false,
    migrations: false,
    signing_key: false,
  });
  await refused.destroy();
});

testOnStores('a metrics port that is taken is a warning, and in production an error', async (t, store) => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.teardown(() => taken.close());
  const { port } = taken.address() as { port: number };
  const deps = await openDeps(
    loadConfig(environment(store.url, { METRICS_PORT: String(port), LOG_LEVEL: 'silent' })),
  );
  t.teardown(deps.close);
  t.is(await serveMetrics(deps), null);
  const strict = { ...deps, config: { ...deps.config, env: 'production' as const } };
  await t.throwsAsync(serveMetrics(strict), { code: 'EADDRINUSE' });
});
