// Guesses of a client's secret: they are limited and recorded, and do not affect other clients or networks.
import type { ExecutionContext } from 'ava';
import { makeUser, password } from '../helpers/builders.ts';
import { type Answer, assertRefused, send } from '../helpers/client.ts';
import { makeConfidentialClient } from '../helpers/resources.ts';
import { type TestServer, testOnOwnServers } from '../helpers/server.ts';
import { until } from '../helpers/until.ts';

const settings = { RATE_LIMITS: 'memory', TRUST_PROXY: '1' };
const here = '198.51.100.7';
const unauthorized = { status: 401, error: 'invalid_client' };
const limited = { status: 429, error: 'rate_limited', reason: 'rate_limited' };

interface Auth {
  client_id: string;
  client_secret: string;
}

/** One login, authenticated in the body (`post`) or by the header. */
async function enter(
  server: TestServer,
  username: string,
  { client_id, client_secret }: Auth,
  { ip = here, scope = 'account', post = true } = {},
): Promise<Answer> {
  const form = { grant_type: 'password', username, password, scope };
  const basic = Buffer.from(`${client_id}:${client_secret}`).toString('base64');
  return await send(`${server.url}/token`, {
    form: post ? { ...form, client_id, client_secret } : form,
    headers: { 'X-Forwarded-For': ip, ...(post ? {} : { Authorization: `Basic ${basic}` }) },
  });
}

async function introspect(server: TestServer, client: Auth, ip = here): Promise<Answer> {
  const form = { token: 'x', ...client };
  return await send(`${server.url}/introspect`, { form, headers: { 'X-Forwarded-For': ip } });
}

async function recordedFailures({ db }: TestServer, count: number): Promise<unknown[]> {
  const find = () => db('audit_events').where({ type: 'client_authentication_failed' }).orderBy('id');
  await until(async () => (await find()).length >= count, `${count} events in the trail`);
  return (await find()).map(({ client_id, reason, ip }) => [client_id, reason, ip]);
}

async function guess(t: ExecutionContext, server: TestServer, client: Auth, name: string): Promise<void> {
  for (let i = 0; i < 20; i += 1) {
    const wrong = { ...client, client_secret: `guess ${i}` };
    const answer =
      i % 2 ? await introspect(server, wrong) : await enter(server, name, wrong, { post: i % 4 > 0 });
    assertRefused(t, answer, unauthorized, `guess ${i}`);
  }
}

testOnOwnServers(
  'wrong secrets are limited per network and record two events',
  settings,
  async (t, server) => {
    const client = await makeConfidentialClient(server);
    const other = await makeConfidentialClient(server);
    const { username } = await makeUser(server.db);
    t.is((await enter(server, username, client)).status, 200);
    await guess(t, server, client, username);
    // In the header or in the body, at the direct entrance or in the engine.
    for (const post of [true, false]) {
      for (const scope of ['account', 'openid account']) {
        const right = await enter(server, username, client, { post, scope });
        assertRefused(t, right, limited, `${post} ${scope}`);
        const wait = Number(right.headers['retry-after']);
        t.true(wait > 0 && wait <= 300, String(wait));
      }
    }
    assertRefused(t, await introspect(server, client), limited);
    assertRefused(t, await introspect(server, { ...client, client_secret: 'wrong' }), limited);
    t.is((await enter(server, username, other)).status, 200, 'another client');
    t.is((await enter(server, username, client, { ip: '198.51.100.8' })).status, 200, 'from another network');
    t.is((await introspect(server, client, '198.51.100.8')).status, 200);
    t.deepEqual(await recordedFailures(server, 2), [
      [client.client_id, 'wrong_credentials', here],
      [client.client_id, 'rate_limited', here],
    ]);
  },
);

testOnOwnServers('right secrets are not rate-limited', settings, async (t, server) => {
  const client = await makeConfidentialClient(server);
  for (let i = 0; i < 30; i += 1) t.is((await introspect(server, client)).status, 200);
  t.deepEqual(await server.db('audit_events').where({ type: 'client_authentication_failed' }), []);
});

testOnOwnServers('failures with unknown client ids are counted together', settings, async (t, server) => {
  const client = await makeConfidentialClient(server);
  for (let i = 0; i < 30; i += 1)
    assertRefused(t, await introspect(server, { ...client, client_id: `nobody-${i}` }), unauthorized);
  t.is((await introspect(server, client)).status, 200);
  t.deepEqual(await recordedFailures(server, 2), [
    [null, 'wrong_credentials', here],
    [null, 'rate_limited', here],
  ]);
});
