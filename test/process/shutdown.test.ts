import { Agent, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { send } from '../helpers/client.ts';
import {
  openSessions,
  openSocket,
  post,
  refreshUntilTheEnd,
  sendHalfRequest,
  untilNotListening,
} from '../helpers/connections.ts';
import { spawnServer } from '../helpers/server_process.ts';
import { testOnStores } from '../helpers/stores.ts';
import { until } from '../helpers/until.ts';

const production = {
  NODE_ENV: 'production',
  ALLOW_LOOPBACK_ISSUER: 'true',
  RATE_LIMITS: 'memory',
  RATE_LIMIT_REFRESH: '100000/60',
  RATE_LIMIT_PASSWORD: '1000/60',
};

testOnStores(
  'stopped under load, the server answers every accepted request and writes its rotations',
  async (t, store) => {
    const { url, child, exited } = await spawnServer(t, store.url, production);
    const { client_id, tokens } = await openSessions(store, url, 20);
    const connections = tokens.map((token) => refreshUntilTheEnd(url, client_id, token));
    const tallies = connections.map(({ tally }) => tally);
    await until(
      () => tallies.every(({ answered }) => answered > 2),
      'every connection has been used several times',
    );
    child.kill('SIGTERM');
    await Promise.all(connections.map(({ over }) => over));
    t.is(await exited, 0);
    t.deepEqual(
      tallies.flatMap((tally) => tally.lost),
      [],
    );
    t.deepEqual([...new Set(tallies.flatMap((tally) => [...tally.statuses]))], [200]);
    t.deepEqual([...new Set(tallies.map((tally) => tally.lastHeader))], ['close']);
    const answered = tallies.reduce((sum, tally) => sum + tally.answered, 0);
    const hours = await store.db('hourly_rotations');
    const counted = hours.reduce((sum, { rotations }) => sum + Number(rotations), 0);
    t.is(counted, answered, 'the last batch of rotations is written');
  },
);

testOnStores(
  'requests in flight are finished, idle connections get one more answer, new connections are refused',
  async (t, store) => {
    const server = await spawnServer(t, store.url, production);
    const slow = await sendHalfRequest(t, server.url, '/token');
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    await post(agent, `${server.url}/token`, '');
    server.child.kill('SIGTERM');
    await untilNotListening(t, server.url);
    const { response } = await post(agent, `${server.url}/token`, '');
    t.deepEqual([response.statusCode, response.headers.connection], [400, 'close']);
    await t.throwsAsync(send(`${server.url}/jwks`), { code: 'ECONNREFUSED' });
    t.is(server.child.exitCode, null);
    slow.finish();
    await slow.closed;
    t.regex(slow.heard(), /^HTTP\/1.1 400 [\s\S]*\r\nConnection: close\r\n/);
    t.is(await server.exited, 0);
  },
);

testOnStores(
  'a client that has just connected when the server is stopped is answered too',
  async (t, store) => {
    const { url, child, exited } = await spawnServer(t, store.url, production);
    child.kill('SIGSTOP');
    // The kernel accepts these connections; the process sees them and the signal at the same moment.
    const sockets = await Promise.all(Array.from({ length: 40 }, () => openSocket(t, url)));
    for (const socket of sockets)
      socket.write('POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n');
    child.kill('SIGTERM');
    child.kill('SIGCONT');
    const all = await Promise.all(sockets.map((socket) => text(socket)));
    t.deepEqual([...new Set(all.map((answer) => answer.slice(0, 12)))], ['HTTP/1.1 400']);
    t.is(await exited, 0);
  },
);

testOnStores('a draining server is not ready', async (t, store) => {
  const server = await spawnServer(t, store.url, production);
  const slow = await sendHalfRequest(t, server.url, '/token');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const probe = async () => {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request(`${server.url}/readyz`, { agent }).once('response', resolve).once('error', reject).end();
    });
    return [response.statusCode, JSON.parse(await text(response)).status];
  };
  t.deepEqual(await probe(), [200, 'ready']);
  server.child.kill('SIGTERM');
  await untilNotListening(t, server.url);
  t.deepEqual(await probe(), [503, 'draining']);
  slow.finish();
  t.is(await server.exited, 0);
});

testOnStores('a second signal exits at once', async (t, store) => {
  const server = await spawnServer(t, store.url);
  const slow = await sendHalfRequest(t, server.url, '/token');
  server.child.kill('SIGTERM');
  await untilNotListening(t, server.url);
  server.child.kill('SIGINT');
  t.is(await server.exited, 1, 'a clean stop would exit with 0');
  await slow.closed;
  t.is(slow.heard(), '');
});

testOnStores('a request that never ends is cut off after ten seconds', async (t, store) => {
  const server = await spawnServer(t, store.url);
  const slow = await sendHalfRequest(t, server.url, '/token');
  const start = performance.now();
  server.child.kill('SIGTERM');
  t.is(await server.exited, 0, 'without the cut-off the process would have exited with 1');
  const took = performance.now() - start;
  t.true(took > 9_500, String(took));
  await slow.closed;
  t.is(slow.heard(), '');
});

testOnStores('a signal before the server listens stops it too', async (t, store) => {
  const server = await spawnServer(t, store.url);
  server.child.kill('SIGINT');
  t.is(await server.exited, 0, 'right after the start');
});
