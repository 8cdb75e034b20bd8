// The keys and the metadata of the server, as caches and verifiers read them.
import { send } from '../../helpers/client.ts';
import { testOnOwnServers, testOnServers } from '../../helpers/server.ts';

const paths = [
  '/jwks',
  '/.well-known/jwks.json',
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
];

testOnServers(
  'a cache keeps the keys and the metadata for less than a key is published ahead',
  async (t, server) => {
    for (const path of paths) {
      const answer = await send(server.url + path);
      t.deepEqual([answer.status, answer.headers['cache-control']], [200, 'public, max-age=300'], path);
      const { etag = '' } = answer.headers;
      t.regex(etag, /^"[\w-]{43}"$/, path);
      const headers = { 'If-None-Match': etag };
      const known = await send(server.url + path, { headers });
      t.deepEqual([known.status, known.text, known.headers.etag], [304, '', etag], path);
      const other = await send(server.url + path, { headers: { 'If-None-Match': '"other"' } });
      t.deepEqual([other.status, other.text], [200, answer.text], path);
      const head = await send(server.url + path, { method: 'HEAD' });
      t.deepEqual([head.status, head.headers.etag], [200, etag], path);
    }
  },
);

testOnServers('the keys are at both of their addresses', async (t, server) => {
  const [keys, alias] = await Promise.all(
    ['/jwks', '/.well-known/jwks.json'].map((path) => send(server.url + path)),
  );
  t.is(alias?.text, keys?.text);
  t.is(alias?.headers['content-type'], 'application/jwk-set+json; charset=utf-8');
});

testOnServers('a refusal is not kept by caches', async (t, server) => {
  for (const path of paths) {
    const { status, headers } = await send(server.url + path, { method: 'POST' });
    t.deepEqual([status, headers.etag], [405, undefined], path);
    t.notRegex(String(headers['cache-control']), /max-age/, path);
  }
});

testOnOwnServers(
  'where keys are published only shortly ahead, caches keep them for half of that time',
  { SIGNING_KEY_LEAD: '20' },
  async (t, server) => {
    const { headers } = await send(`${server.url}/jwks`);
    t.is(headers['cache-control'], 'public, max-age=10');
  },
);
