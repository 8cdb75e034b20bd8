import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { makeClient, makeUser } from '../helpers/builders.ts';
import { send } from '../helpers/client.ts';
import { login, tokensOf } from '../helpers/oauth.ts';
import { type ServerProcess, spawnServer } from '../helpers/process.ts';
import { type Store, testOnStores } from '../helpers/stores.ts';

/** What became of the requests of one connection: `lost` were accepted and never answered. */
interface Tally {
  answered: number;
  lost: string[];
  statuses: Set<number | undefined>;
  lastHeader: string | undefined;
}

/** Refreshes one session over one connection, again and again, until nobody listens any more. */
async function refreshUntilTheEnd(url: string, client_id: string, first: string): Promise<Tally> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const tally: Tally = { answered: 0, lost: [], statuses: new Set(), lastHeader: undefined };
  let refresh_token = first;
  for (;;) {
    try {
      const form = new URLSearchParams({ grant_type: 'refresh_token', client_id, refresh_token });
      const { response, body } = await post(agent, `${url}/token`, form.toString());
      tally.answered += 1;
      tally.statuses.add(response.statusCode);
      tally.lastHeader = response.headers.connection;
      refresh_token = JSON.parse(body).refresh_token ?? refresh_token;
    } catch (error) {
      // Nobody took the connection: that request was never accepted.
      const { code, syscall } = error as NodeJS.ErrnoException;
      if (code !== 'ECONNREFUSED') tally.lost.push(`${syscall} ${code}`);
      agent.destroy();
      return tally;
    }
  }
}

async function post(
  agent: Agent,
  url: string,
  body: string,
): Promise<{ response: IncomingMessage; body: string }> {
  const headers = {
    'Content-Type': 'application/x-www-form-urlencoded',
    'Content-Length': Buffer.byteLength(body),
  };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(url, { method: 'POST', agent, headers })
      .once('response', resolve)
      .once('error', reject)
      .end(body);
  });
  return { response, body: await text(response) };
}

async function signedIn(store: Store, url: string, count: number) {
  const server = { ...store, store: store.name, databaseUrl: store.url, url, issuer: url };
  const client = await makeClient(store.db);
  const user = await makeUser(store.db);
  const tokens: string[] = [];
  for (let i = 0; i < count; i += 1) tokens.push(tokensOf(await login(server, user, client)).refresh_token);
  return { client_id: client.client_id, tokens };
}

const production = {
  NODE_ENV: 'production',
  RATE_LIMITS: 'memory',
  RATE_LIMIT_REFRESH: '100000/60',
  RATE_LIMIT_PASSWORD: '1000/60',
};

testOnStores(
  'told to stop under load, the server answers everything that it accepted, and keeps its trail',
  async (t, store) => {
    t.timeout(120_000);
    const { url, child, exited } = await spawnServer(t, store.url, production);
    const { client_id, tokens } = await signedIn(store, url, 20);
    const connections = tokens.map((token) => refreshUntilTheEnd(url, client_id, token));
    await sleep(700);
    child.kill('SIGTERM');
    const tallies = await Promise.all(connections);
    t.is(await exited, 0);
    t.deepEqual(
      tallies.flatMap((tally) => tally.lost),
      [],
    );
    t.deepEqual([...new Set(tallies.flatMap((tally) => [...tally.statuses]))], [200]);
    t.deepEqual([...new Set(tallies.map((tally) => tally.lastHeader))], ['close']);
    const answered = tallies.reduce((sum, tally) => sum + tally.answered, 0);
    const events = await store.db('audit_events').where({ type: 'refresh_token_rotated' });
    t.is(events.length, answered, 'the last batch of events is written');
  },
);

/** A request whose second half is still to come. */
async function half(t: ExecutionContext, { url }: ServerProcess, path: string) {
  const { port } = new URL(url);
  const socket = connect(Number(port), '127.0.0.1').setEncoding('utf8');
  t.teardown(() => socket.destroy());
  let heard = '';
  socket.on('data', (data) => (heard += data)).on('error', () => {});
  await once(socket, 'connect');
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\na=b`,
  );
  await sleep(100);
  return { finish: () => socket.write('&c=d'), closed: once(socket, 'close'), heard: () => heard };
}

testOnStores(
  'what is in flight is finished, idle connections get one more answer, newcomers are turned away',
  async (t, store) => {
    const server = await spawnServer(t, store.url, production);
    const slow = await half(t, server, '/token');
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    await post(agent, `${server.url}/token`, '');
    server.child.kill('SIGTERM');
    await sleep(200);
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

testOnStores('a server that drains is not ready', async (t, store) => {
  const server = await spawnServer(t, store.url, production);
  const slow = await half(t, server, '/token');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const probe = async () => {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request(`${server.url}/readyz`, { agent }).once('response', resolve).once('error', reject).end();
    });
    return [response.statusCode, JSON.parse(await text(response)).status];
  };
  t.deepEqual(await probe(), [200, 'ready']);
  server.child.kill('SIGTERM');
  await sleep(200);
  t.deepEqual(await probe(), [503, 'draining']);
  slow.finish();
  t.is(await server.exited, 0);
});

testOnStores('a second signal ends it at once', async (t, store) => {
  const server = await spawnServer(t, store.url);
  const slow = await half(t, server, '/token');
  server.child.kill('SIGTERM');
  await sleep(200);
  t.is(server.child.exitCode, null);
  const start = performance.now();
  server.child.kill('SIGINT');
  t.is(await server.exited, 1);
  t.true(performance.now() - start < 5_000);
  await slow.closed;
});

testOnStores('a request that never ends is cut off after ten seconds', async (t, store) => {
  t.timeout(60_000);
  const server = await spawnServer(t, store.url);
  const slow = await half(t, server, '/token');
  const start = performance.now();
  server.child.kill('SIGTERM');
  t.is(await server.exited, 0);
  const took = performance.now() - start;
  t.true(took > 9_500 && took < 15_000, String(took));
  await slow.closed;
  t.is(slow.heard(), '');
});

testOnStores('a signal before it listens is obeyed too', async (t, store) => {
  const server = await spawnServer(t, store.url);
  server.child.kill('SIGINT');
  t.is(await server.exited, 0, 'and one right after');
});
