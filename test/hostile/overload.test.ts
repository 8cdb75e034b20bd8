// More passwords to verify than the processor can: the queue is bounded, a refused login counts as no failure, and one
// network takes no place from another. The server runs in this process, so that the test can keep its queue of hashes full.
import { once } from 'node:events';
import { request } from 'node:http';
import test, { type ExecutionContext } from 'ava';
import { hashPassword, onBehalfOf } from '../../src/core/passwords/password_hash.ts';
import { adminScope, enterAsAdmin } from '../helpers/admin.ts';
import { makeClient, makeUser, password } from '../helpers/builders.ts';
import { type Answer, assertRefused, send } from '../helpers/client.ts';
import { setUpScene, startRequest } from '../helpers/code_flow.ts';
import { api, login, signIn } from '../helpers/oauth.ts';
import { change } from '../helpers/password_change.ts';
import { startTestServer, type TestServer } from '../helpers/server.ts';
import { makeStore, storeNames } from '../helpers/stores.ts';
import { until } from '../helpers/until.ts';
import { openUserAgent, type Page } from '../helpers/user_agent.ts';

const capacity = 4;
const settings = {
  RATE_LIMITS: 'memory',
  PASSWORD_QUEUE: String(capacity),
  TRUST_PROXY: '1',
  RATE_LIMIT_PASSWORD: '3/3600',
  LOCKOUT: '3/600/900',
  RATE_LIMIT_PASSWORD_CHANGE: '2/3600',
};

/** While `body` runs, the queue of hashes is full with those of the network `place`. */
async function whileFull<T>(place: string, body: () => Promise<T>): Promise<T> {
  let isOver = false;
  const keepAsking = async () => {
    const asker = { key: place, isDisconnected: () => isOver, capacity: 1_000 };
    while (!isOver) await onBehalfOf(asker, () => hashPassword('x')).catch(() => {});
  };
  const asking = Array.from({ length: 20 }, keepAsking);
  try {
    return await body();
  } finally {
    isOver = true;
    await Promise.all(asking);
  }
}

// One after the other: all servers of a process share the queue.
function testAlone(title: string, body: (t: ExecutionContext, server: TestServer) => Promise<void>): void {
  for (const name of storeNames) {
    test.serial(`${title} (${name})`, async (t) => {
      const store = await makeStore(name);
      t.teardown(store.drop);
      await body(t, await startTestServer(t, store, settings));
    });
  }
}

const here = '127.0.0.1';
const busy = { status: 503, error: 'temporarily_unavailable' };

/** Every request that verifies or hashes a password. */
async function openDoors(server: TestServer) {
  const user = await makeUser(server.db);
  const client = await makeClient(server.db);
  const { tokens } = await signIn(server, { user, client });
  const { token: admin } = await enterAsAdmin(server);
  const visitor = openUserAgent(server.url);
  const loginPage = await visitor.open(`${server.url}/account`);
  const resident = openUserAgent(server.url);
  const typed = { username: user.username, password };
  const other = { username: (await makeUser(server.db)).username, password };
  const account = await resident.submit(
    await resident.open(`${server.url}/account`),
    '/account/login',
    other,
  );
  const scene = await setUpScene(server, { user });
  const interaction = await scene.ua.open((await startRequest(scene)).url.href);
  const asAnswer = ({ status, headers, text }: Page): Answer => ({
    status,
    headers: Object.fromEntries(headers),
    body: {},
    text,
  });
  const current = { current_password: password, new_password: 'hedgehogs prefer quiet evenings' };
  const machines: Record<string, () => Promise<Answer>> = {
    'the password grant past the engine': () => login(server, user, client),
    'the password grant of the engine': () => login(server, user, client, { scope: 'openid account' }),
    'an unknown username': () => login(server, { username: 'nobody' }, client),
    'a change of the password': () => change(server, tokens.access_token),
    'a new user': () =>
      api(server, 'POST /admin/users', admin, { json: { username: 'fresh', password: 'quiet hedgehogs' } }),
  };
  const pages: Record<string, () => Promise<Answer>> = {
    'the login page of the account': async () =>
      asAnswer(await visitor.post(loginPage, '/account/login', typed)),
    'the login page of an app': async () => asAnswer(await scene.ua.post(interaction, '/login', typed)),
    'a change at the account page': async () =>
      asAnswer(await resident.post(account, '/account/password', current)),
  };
  return { user, client, machines, pages };
}

testAlone(
  'when too many hashes wait, every login answers 503 and no failure is counted',
  async (t, server) => {
    const { machines, pages } = await openDoors(server);
    await whileFull(here, async () => {
      // More often than the limits allow failures.
      for (let round = 0; round < 4; round += 1) {
        for (const [door, knock] of Object.entries(machines)) {
          const answer = await knock();
          assertRefused(t, answer, busy, door);
          t.regex(String(answer.headers['retry-after']), /^[1-9]\d*$/, door);
        }
        for (const [door, knock] of Object.entries(pages)) {
          const { status, headers, text } = await knock();
          t.is(status, 503, door);
          t.regex(String(headers['retry-after']), /^[1-9]\d*$/, door);
          t.regex(text, /Service temporarily unavailable/, door);
        }
      }
    });
    const statuses: Record<string, number> = {};
    for (const [door, knock] of Object.entries({ ...machines, ...pages }))
      statuses[door] = (await knock()).status;
    t.deepEqual(statuses, {
      'the password grant past the engine': 200,
      'the password grant of the engine': 200,
      'an unknown username': 400,
      'a change of the password': 200,
      'a new user': 201,
      'the login page of the account': 403,
      'the login page of an app': 403,
      'a change at the account page': 303,
    });
    t.is((await server.db('audit_events').where({ reason: 'rate_limited' })).length, 0);
  },
);

testAlone(
  'a network that fills the queue of hashes does not keep others from logging in',
  async (t, server) => {
    const { user, client, tokens } = await signIn(server, {
      form: { scope: adminScope.replace(' admin', '') },
    });
    t.truthy(tokens);
    await whileFull(here, async () => {
      for (const ip of ['198.51.100.7', '2001:db8::1'])
        t.is((await login(server, user, client, {}, { headers: { 'X-Forwarded-For': ip } })).status, 200, ip);
    });
    await whileFull('2001:db8:0:0::/64', async () => {
      const neighbour = { headers: { 'X-Forwarded-For': '2001:db8::ffff' } };
      assertRefused(t, await login(server, user, client, {}, neighbour), busy);
    });
  },
);

testAlone('a login whose client has disconnected is not verified', async (t, server) => {
  const user = await makeUser(server.db);
  const client = await makeClient(server.db);
  const form = {
    grant_type: 'password',
    client_id: client.client_id,
    username: user.username,
    password: 'wrong',
  };
  await whileFull('192.0.2.1', async () => {
    for (let round = 0; round < 2; round += 1) {
      const outgoing = request(`${server.url}/token`, {
        method: 'POST',
        agent: false,
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      });
      outgoing.on('error', () => {});
      outgoing.end(new URLSearchParams(form).toString());
      const [socket] = await once(outgoing, 'socket');
      await once(outgoing, 'finish');
      // An answer on another connection shows that the earlier requests have arrived.
      await send(`${server.url}/healthz`);
      socket.destroy();
      await send(`${server.url}/healthz`);
      await send(`${server.url}/healthz`);
    }
  });
  t.is((await login(server, user, client, { password: 'wrong' })).status, 400);
  t.is((await login(server, user, client)).status, 200);
  // Events are written shortly afterwards, in their order.
  const failures = () => server.db('audit_events').where({ type: 'login_failed', user_id: user.id });
  const failed = await until(async () => {
    const found = await failures();
    return found.length > 0 && found;
  }, 'the failure is in the trail');
  t.is(failed.length, 1, 'the one that waited for its answer');
});
