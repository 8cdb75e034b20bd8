// CORS: only pages of the origins that a client has registered may read the answers.

import { createResourceServer } from '../../../src/core/clients/resource_servers.ts';
import { enginePaths } from '../../../src/http/middleware/engine.ts';
import { makeClient } from '../../helpers/builders.ts';
import { type Answer, assertRefused, type RequestOptions, send } from '../../helpers/client.ts';
import { api, isActive, login, refresh, revoke, signIn, token, tokensOf } from '../../helpers/oauth.ts';
import { testOnOwnServers, testOnServers } from '../../helpers/server.ts';

const mine = 'https://app.example';
const others = [
  'https://evil.example',
  'https://app.example.evil',
  'http://app.example',
  'https://app.example:8443',
  'null',
];
const exposed = 'WWW-Authenticate, Retry-After, X-Request-Id';
const from = (Origin: string) => ({ headers: { Origin } });
const readerOf = ({ headers }: Answer) => headers['access-control-allow-origin'];
const registered = {
  allowed_origins: [mine],
  redirect_uris: ['https://redirect.example/callback'],
  grant_types: ['password', 'refresh_token'],
};

testOnServers('only registered origins may read the token endpoint’s answers', async (t, server) => {
  const client = await makeClient(server.db, registered);
  const { user } = await signIn(server);
  for (const origin of [mine, 'https://redirect.example']) {
    const answer = await login(server, user, client, {}, from(origin));
    tokensOf(answer);
    t.is(readerOf(answer), origin);
    t.regex(String(answer.headers.vary), /origin/i);
    t.is(answer.headers['access-control-allow-credentials'], undefined);
    const refused = await login(server, user, client, { password: 'wrong' }, from(origin));
    t.deepEqual([refused.status, readerOf(refused)], [400, origin], 'its errors are readable too');
    t.is(refused.headers['access-control-expose-headers'], exposed);
  }
  const { refresh_token } = tokensOf(await login(server, user, client));
  for (const origin of others) {
    const answer = await refresh(server, client, refresh_token, {}, from(origin));
    assertRefused(t, answer, { status: 400, error: 'invalid_request' }, origin);
    t.is(readerOf(answer), undefined, origin);
  }
  tokensOf(await refresh(server, client, refresh_token));
});

testOnServers('an answer that concerns no client may be read by every page', async (t, server) => {
  const { client, tokens } = await signIn(server);
  const text = { 'Content-Type': 'text/plain', Origin: mine };
  const json = { 'Content-Type': 'application/json', Origin: mine };
  const large = 'x'.repeat(300_000);
  const token = { Authorization: 'Bearer nonsense', Origin: mine };
  const cases: [path: string, options: RequestOptions, status: number][] = [
    ['/token', { form: { grant_type: 'password', client_id: 'nobody' }, ...from(mine) }, 401],
    ['/token', { form: { grant_type: 'password' }, ...from(mine) }, 400],
    ['/introspect', { form: {}, ...from(mine) }, 400],
    ['/revoke', { form: { client_id: 'nobody', token: 'x' }, ...from(mine) }, 401],
    ['/token', { method: 'GET', ...from(mine) }, 405],
    ['/token', { method: 'POST', body: '{}', headers: json }, 400],
    ['/token', { form: { client_id: client.client_id, token: large }, ...from(mine) }, 413],
    ['/userinfo', from(mine), 401],
    ['/userinfo', { headers: token }, 401],
    ['/api/me', { headers: token }, 401],
    ['/api/me', from(mine), 401],
    ['/api/nothing', from(mine), 404],
    ['/api/me', { method: 'PUT', ...from(mine) }, 405],
    ['/api/me', { method: 'PATCH', body: large, headers: text }, 413],
    ['/register', { method: 'POST', body: '{}', headers: json }, 404],
    ['/.well-known/oauth-protected-resource/api', { method: 'POST', body: '', headers: text }, 405],
  ];
  for (const [path, options, status] of cases) {
    const answer = await send(server.url + path, options);
    t.deepEqual([answer.status, readerOf(answer)], [status, mine], path);
    t.is(answer.headers['access-control-expose-headers'], exposed, path);
    t.is(answer.headers['access-control-allow-credentials'], undefined);
    t.regex(String(answer.headers.vary), /origin/i);
  }
  const page = await send(`${server.url}/authorize?client_id=nobody`, from(mine));
  t.deepEqual([page.status, readerOf(page)], [400, undefined], 'pages are for people');
  const account = await api(server, 'GET /me', tokens.access_token, from(mine));
  t.deepEqual([account.status, readerOf(account)], [200, undefined], 'this client has registered no origin');
});

testOnServers('a revocation from a foreign origin ends nothing', async (t, server) => {
  const client = await makeClient(server.db, registered);
  const { tokens } = await signIn(server, { client });
  for (const origin of others) {
    const form = { client_id: client.client_id, token: tokens.refresh_token };
    const answer = await send(`${server.url}/revoke`, { form, ...from(origin) });
    assertRefused(t, answer, { status: 400, error: 'invalid_request' }, origin);
    t.is(readerOf(answer), undefined);
  }
  t.is(await isActive(server, tokens.access_token), true);
  await revoke(server, tokens.refresh_token, client);
});

testOnServers('the origins of the token’s client may read our own API', async (t, server) => {
  const client = await makeClient(server.db, registered);
  const { tokens } = await signIn(server, { client });
  const ask = (origin: string) => api(server, 'GET /me', tokens.access_token, from(origin));
  t.is(readerOf(await ask(mine)), mine);
  for (const origin of others) {
    const answer = await ask(origin);
    t.deepEqual([answer.status, readerOf(answer)], [200, undefined], origin);
    t.regex(String(answer.headers.vary), /origin/i);
  }
  const nowhere = await api(server, 'GET /sessions/x', tokens.access_token, from(mine));
  t.deepEqual([nowhere.status, readerOf(nowhere)], [404, mine], 'an error that is meant for it');
});

// Headers that libraries add to every request: tracing, JavaScript frameworks, MCP.
const added =
  'authorization,baggage,content-type,dpop,mcp-protocol-version,sentry-trace,traceparent,tracestate,x-requested-with';

testOnServers('preflights are answered and allow nothing else', async (t, server) => {
  const metadata = '/.well-known/oauth-protected-resource/api';
  const paths = [...enginePaths.endpoints.map(([path]) => path), '/register', '/register/x', metadata];
  for (const path of [...paths, '/api/me', '/api/sessions/x', '/api/openapi.json']) {
    const headers = {
      Origin: mine,
      'Access-Control-Request-Method': path.startsWith('/api') ? 'DELETE' : 'POST',
      'Access-Control-Request-Headers': added,
    };
    const answer = await send(server.url + path, { method: 'OPTIONS', headers });
    t.deepEqual([answer.status, answer.text, readerOf(answer)], [204, '', mine], path);
    t.is(answer.headers['access-control-allow-credentials'], undefined);
    t.is(answer.headers['access-control-allow-headers'], added, path);
  }
  for (const path of ['/authorize', '/login', '/account', '/logout', '/device']) {
    const headers = { Origin: mine, 'Access-Control-Request-Method': 'POST' };
    t.is(readerOf(await send(server.url + path, { method: 'OPTIONS', headers })), undefined, path);
  }
});

testOnServers(
  'the document of our API as a resource is for every page, and names no keys',
  async (t, server) => {
    const url = `${server.url}/.well-known/oauth-protected-resource/api`;
    const answer = await send(url, from('https://anybody.example'));
    t.deepEqual([answer.status, readerOf(answer)], [200, '*']);
    t.deepEqual([answer.body.authorization_servers, answer.body.jwks_uri], [[server.issuer], undefined]);
    const options = await send(url, { method: 'OPTIONS' });
    t.deepEqual([options.status, options.headers.allow], [204, 'GET, HEAD, OPTIONS']);
  },
);

testOnServers('public documents may be read by every origin', async (t, server) => {
  for (const path of ['/jwks', '/.well-known/openid-configuration']) {
    const answer = await send(server.url + path, from('https://anybody.example'));
    t.deepEqual([answer.status, readerOf(answer)], [200, 'https://anybody.example'], path);
  }
  const { client_id } = await makeClient(server.db);
  const answer = await token(server, { grant_type: 'password', client_id });
  t.is(readerOf(answer), '*', 'without an Origin header every origin is allowed');
});

testOnServers(
  'only the origins of the token’s client may read that the token is no longer valid',
  async (t, server) => {
    const client = await makeClient(server.db, registered);
    const { tokens } = await signIn(server, { client, form: { scope: 'openid account' } });
    await server.db('sessions').where({ id: tokens.session_id }).update({ ended_at: new Date() });
    for (const path of ['/api/me', '/userinfo']) {
      for (const [origin, reader] of [
        [mine, mine],
        ['https://evil.example', undefined],
      ] as const) {
        const answer = await send(server.url + path, {
          headers: { Origin: origin, Authorization: `Bearer ${tokens.access_token}` },
        });
        t.deepEqual([answer.status, readerOf(answer)], [401, reader], `${path} from ${origin}`);
      }
      const forged = { Origin: mine, Authorization: `Bearer ${tokens.access_token.slice(0, -4)}AAAA` };
      t.is(readerOf(await send(server.url + path, { headers: forged })), mine, 'it names no client');
    }
  },
);

testOnOwnServers(
  'a page reads that its opaque token has ended, and why it may not call',
  {},
  async (t, server) => {
    const resource = `${server.issuer}/api`;
    await createResourceServer(server.db, {
      identifier: resource,
      scope: 'orders:read',
      access_token_format: 'opaque',
    });
    const client = await makeClient(server.db, registered);
    const { tokens } = await signIn(server, { client });
    const ask = async (path: string, origin: string) => {
      const headers = { Origin: origin, Authorization: `Bearer ${tokens.access_token}` };
      const answer = await send(server.url + path, { headers });
      return [answer.status, readerOf(answer)];
    };
    t.deepEqual(await ask('/api/me', mine), [200, mine]);
    t.deepEqual(await ask('/api/admin/users', mine), [403, mine]);
    t.deepEqual(await ask('/api/admin/users', 'https://evil.example'), [403, undefined]);
    await revoke(server, tokens.access_token, client);
    for (const path of ['/api/me', '/userinfo']) t.deepEqual(await ask(path, mine), [401, mine], path);
  },
);
