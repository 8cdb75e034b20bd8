// The address of a request: that of the socket, unless a trusted proxy forwards another.
import { createServer, get, type OutgoingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import test from 'ava';
import { loadConfig } from '../../../config/index.ts';
import { createAddressReader } from '../../../src/http/middleware/address.ts';
import { api, refresh, signIn, tokensOf } from '../../helpers/oauth.ts';
import { type Settings, type TestServer, testOnOwnServers } from '../../helpers/server.ts';

const forged = {
  'X-Forwarded-For': '203.0.113.9, 198.51.100.7',
  'X-Forwarded-Proto': 'https',
  'X-Forwarded-Host': 'evil.example',
  Forwarded: 'for=203.0.113.9',
};

/** The addresses that a session stores for a login and a rotation with these headers. */
async function addressesOf(server: TestServer, headers: Record<string, string>): Promise<unknown[]> {
  const { client, tokens } = await signIn(server, { extra: { headers } });
  const at = async (token: string) =>
    (await api(server, `GET /sessions/${tokens.session_id}`, token)).body as { ip: string };
  const { ip: first } = await at(tokens.access_token);
  const next = tokensOf(await refresh(server, client, tokens.refresh_token, {}, { headers }));
  return [first, (await at(next.access_token)).ip];
}

const cases: { title: string; settings: Settings; headers: Record<string, string>; address: string }[] = [
  {
    title: 'without a trusted proxy forwarded headers are ignored',
    settings: {},
    headers: forged,
    address: '127.0.0.1',
  },
  {
    title: 'behind one proxy the last forwarded address is used',
    settings: { TRUST_PROXY: '1' },
    headers: forged,
    address: '198.51.100.7',
  },
  {
    title: 'behind two proxies the last but one is used',
    settings: { TRUST_PROXY: '2' },
    headers: forged,
    address: '203.0.113.9',
  },
  {
    title: 'proxies are known by their addresses; the first other address is the client',
    settings: { TRUST_PROXY: '127.0.0.0/8,198.51.100.0/24' },
    headers: forged,
    address: '203.0.113.9',
  },
  {
    title: 'headers of a peer that is not a trusted proxy are ignored',
    settings: { TRUST_PROXY: '192.0.2.1' },
    headers: forged,
    address: '127.0.0.1',
  },
  {
    title: 'behind a proxy that forwards nonsense the address of the socket is used',
    settings: { TRUST_PROXY: '1' },
    headers: { 'X-Forwarded-For': "x, ' or 1=1, " },
    address: '127.0.0.1',
  },
];

for (const { title, settings, headers, address } of cases) {
  testOnOwnServers(title, settings, async (t, server) => {
    t.deepEqual(await addressesOf(server, headers), [address, address]);
  });
}

/** The address that a server with `TRUST_PROXY` finds in a request from loopback with these headers. */
async function addressOf(trust: string, headers: OutgoingHttpHeaders): Promise<string> {
  const config = loadConfig({
    NODE_ENV: 'test',
    KINDRED_SECRET: 'not-much-of-a-secret-but-43-characters-long',
    TRUST_PROXY: trust,
  });
  const read = createAddressReader(config);
  const server = createServer((request, response) => response.end(read(request))).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    return await new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port, headers, agent: false }, (answer) => resolve(text(answer))).on(
        'error',
        reject,
      );
    });
  } finally {
    server.close();
  }
}

// What the client wrote itself, and what its proxy appended.
const behind = (entry: string) => ({ 'X-Forwarded-For': `203.0.113.66, ${entry}` });

test('an address is read from the forms in which proxies write it', async (t) => {
  for (const [entry, address] of [
    ['198.51.100.7:51234', '198.51.100.7'],
    ['"198.51.100.7"', '198.51.100.7'],
    ['"198.51.100.7:51234"', '198.51.100.7'],
    ['2001:DB8::9', '2001:db8::9'],
    ['[2001:db8::9]', '2001:db8::9'],
    ['[2001:db8::9]:443', '2001:db8::9'],
    ['"[2001:db8::9]:443"', '2001:db8::9'],
    ['fe80::9%eth0', 'fe80::9'],
    ['[fe80::9%25eth0]:443', 'fe80::9'],
    ['::ffff:198.51.100.7', '198.51.100.7'],
  ] as const) {
    t.is(await addressOf('1', behind(entry)), address);
    t.is(await addressOf('127.0.0.0/8', behind(entry)), address);
  }
});

test('nothing to the left of an unreadable hop is trusted', async (t) => {
  for (const entry of [
    'unknown',
    '_hidden',
    'for=198.51.100.7',
    '198.51.100.7 1',
    '[198.51.100.7',
    '1',
    ':443',
    '"',
  ]) {
    for (const trust of ['1', '2', '99', '127.0.0.0/8', '0.0.0.0/0'])
      t.is(await addressOf(trust, behind(entry)), '127.0.0.1', `${trust}: ${entry}`);
  }
  t.is(await addressOf('3', behind('unknown, 198.51.100.7:80')), '198.51.100.7');
  t.is(await addressOf('127.0.0.1,198.51.100.0/24', behind('unknown, 198.51.100.7:80')), '198.51.100.7');
});

test('proxies that write ports are recognised by their addresses', async (t) => {
  const chain = behind('192.0.2.1:40000, 198.51.100.7:51234');
  t.is(await addressOf('127.0.0.1,198.51.100.0/24', chain), '192.0.2.1');
  t.is(await addressOf('127.0.0.1,::ffff:198.51.100.7', chain), '192.0.2.1');
  t.is(await addressOf('::1', chain), '127.0.0.1');
});

test('several X-Forwarded-For headers form one chain', async (t) => {
  t.is(await addressOf('1', { 'X-Forwarded-For': ['203.0.113.66', '198.51.100.7:1'] }), '198.51.100.7');
});
