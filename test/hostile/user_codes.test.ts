// Guesses of user codes in the device flow (RFC 8628, 5.1): few per address, and enough for the owner of a device.
import { makeClient } from '../helpers/builders.ts';
import { type Json, send } from '../helpers/client.ts';
import { type TestServer, testOnOwnServers } from '../helpers/server.ts';
import { openUserAgent, textOf } from '../helpers/user_agent.ts';

const settings = (store: string) => ({
  RATE_LIMITS: store === 'sqlite' ? 'memory' : 'database',
  TRUST_PROXY: '1',
});

async function startDevice(server: TestServer): Promise<Json> {
  const grant_types = ['urn:ietf:params:oauth:grant-type:device_code'];
  const { client_id } = await makeClient(server.db, { grant_types });
  return (await send(`${server.url}/device/authorize`, { form: { client_id } })).body;
}

function guesserAt(server: TestServer, address: string) {
  const ua = openUserAgent(server.url, { 'x-forwarded-for': address });
  return async (user_code: string) => {
    const page = await ua.open(`${server.url}/device`);
    return await ua.submit(page, '/device', { user_code });
  };
}

testOnOwnServers(
  'the eleventh wrong user code from an address is not looked up',
  settings,
  async (t, server) => {
    const { user_code } = await startDevice(server);
    const guess = guesserAt(server, '192.0.2.66');
    for (let i = 0; i < 10; i += 1)
      t.regex(textOf(await guess(`BBBB-BBB${'BCDFGHJKLM'[i]}`)), /code doesn’t match/);
    const limited = await guess('BBBB-BBBN');
    t.is(limited.status, 429);
    t.regex(textOf(limited), /Too many attempts. Try again in \d+ minutes/);
    const wait = Number(limited.headers.get('retry-after'));
    t.true(wait > 0 && wait <= 600, String(wait));
    const lucky = await guess(String(user_code));
    t.is(lucky.status, 429, 'not even the right code');
    const owner = await guesserAt(server, '192.0.2.7')(String(user_code));
    t.regex(textOf(owner), /Is this your device/);
  },
);

testOnOwnServers('of 30 wrong user codes at once ten are looked up', settings, async (t, server) => {
  const guesses = Array.from({ length: 30 }, () => guesserAt(server, '192.0.2.66')('BBBB-BBBB'));
  const statuses = (await Promise.all(guesses)).map((page) => page.status);
  t.is(statuses.filter((status) => status === 200).length, 10);
  t.is(statuses.filter((status) => status === 429).length, 20);
});

testOnOwnServers('right user codes count against no limit', settings, async (t, server) => {
  const { user_code } = await startDevice(server);
  const type = guesserAt(server, '192.0.2.7');
  for (let i = 0; i < 12; i += 1) t.regex(textOf(await type(String(user_code))), /Is this your device/);
  t.regex(textOf(await type('BBBB-BBBB')), /code doesn’t match/);
});

testOnOwnServers('addresses of one /64 share ten wrong user codes', settings, async (t, server) => {
  const statuses: number[] = [];
  for (let i = 0; i < 12; i += 1)
    statuses.push((await guesserAt(server, `2001:db8::${i + 1}`)('BBBB-BBBB')).status);
  t.deepEqual(statuses, [...Array(10).fill(200), 429, 429]);
  t.is((await guesserAt(server, '2001:db8:0:1::1')('BBBB-BBBB')).status, 200);
});

testOnOwnServers('a user code that could not be looked up does not count', settings, async (t, server) => {
  const { user_code } = await startDevice(server);
  const ua = openUserAgent(server.url, { 'x-forwarded-for': '192.0.2.66' });
  const page = await ua.open(`${server.url}/device`);
  await server.db.schema.renameTable('oidc_models', 'away');
  for (let i = 0; i < 12; i += 1) t.is((await ua.submit(page, '/device', { user_code: 'x' })).status, 500);
  await server.db.schema.renameTable('away', 'oidc_models');
  t.regex(textOf(await ua.submit(page, '/device', { user_code: String(user_code) })), /Is this your device/);
});
