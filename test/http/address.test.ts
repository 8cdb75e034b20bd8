// Where a request comes from: the socket says so, unless a proxy that we trust knows better.
import { api, refresh, signIn, tokensOf } from '../helpers/oauth.ts';
import { type Settings, type TestServer, testOnOwnServers } from '../helpers/server.ts';

const forged = {
  'X-Forwarded-For': '203.0.113.9, 198.51.100.7',
  'X-Forwarded-Proto': 'https',
  'X-Forwarded-Host': 'evil.example',
  Forwarded: 'for=203.0.113.9',
};

/** The address that a session remembers of a login and of a rotation which came with these headers. */
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
    title: 'without a trusted proxy forwarded headers mean nothing',
    settings: {},
    headers: forged,
    address: '127.0.0.1',
  },
  {
    title: 'behind one proxy the last address that it was given counts',
    settings: { TRUST_PROXY: '1' },
    headers: forged,
    address: '198.51.100.7',
  },
  {
    title: 'behind two proxies the one before counts',
    settings: { TRUST_PROXY: '2' },
    headers: forged,
    address: '203.0.113.9',
  },
  {
    title: 'proxies are known by their addresses, and who is not one is the client',
    settings: { TRUST_PROXY: '127.0.0.0/8,198.51.100.0/24' },
    headers: forged,
    address: '203.0.113.9',
  },
  {
    title: 'a peer that is no trusted proxy is believed nothing',
    settings: { TRUST_PROXY: '192.0.2.1' },
    headers: forged,
    address: '127.0.0.1',
  },
  {
    title: 'behind a proxy that forwards nonsense the socket counts',
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
