// CORS: only pages of the origins that a client has registered may read the answers.
import { makeClient } from '../../helpers/builders.ts';
import { type Answer, assertRefused, send } from '../../helpers/client.ts';
import { api, isActive, login, refresh, revoke, signIn, token, tokensOf } from '../../helpers/oauth.ts';
import { testOnServers } from '../../helpers/server.ts';

const mine = 'https://app.example';
const others = [
  'https://evil.example',
  'https://app.example.evil',
  'http://app.example',
  'https://app.example:8443',
  'null',
];
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
  }
  const { refresh_token } = tokensOf(await login(server, user, client));
  for (const origin of others) {
    const answer = await refresh(server, client, refresh_token, {}, from(origin));
    assertRefused(t, answer, { status: 400, error: 'invalid_request' }, origin);
    t.is(readerOf(answer), undefined, origin);
  }
  tokensOf(await refresh(server, client, refresh_token));
});

testOnServers('a request with an unknown client or without one allows no origin', async (t, server) => {
  for (const form of [{ grant_type: 'password', client_id: 'nobody' }, { grant_type: 'password' }, {}]) {
    for (const path of ['/token', '/introspect', '/revoke']) {
      const answer = await send(server.url + path, { form, ...from(mine) });
      t.true(answer.status === 400 || answer.status === 401);
      t.is(readerOf(answer), undefined, path);
    }
  }
  const userinfo = await send(`${server.url}/userinfo`, from(mine));
  t.deepEqual([userinfo.status, readerOf(userinfo)], [401, undefined]);
  const wrongMethod = await send(`${server.url}/token`, { method: 'GET', ...from(mine) });
  t.deepEqual([wrongMethod.status, readerOf(wrongMethod)], [405, undefined]);
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
  const bad = await api(server, 'GET /me', 'nonsense', from(mine));
  t.deepEqual([bad.status, readerOf(bad)], [401, undefined]);
  const nowhere = await api(server, 'GET /sessions/x', tokens.access_token, from(mine));
  t.deepEqual([nowhere.status, readerOf(nowhere)], [404, mine], 'an error that is meant for it');
});

testOnServers('preflights are answered and allow nothing else', async (t, server) => {
  for (const path of ['/token', '/revoke', '/userinfo', '/api/me', '/api/sessions/x']) {
    const headers = {
      Origin: mine,
      'Access-Control-Request-Method': path.startsWith('/api') ? 'DELETE' : 'POST',
      'Access-Control-Request-Headers': 'authorization, dpop',
    };
    const answer = await send(server.url + path, { method: 'OPTIONS', headers });
    t.deepEqual([answer.status, answer.text, readerOf(answer)], [204, '', mine], path);
    t.is(answer.headers['access-control-allow-credentials'], undefined);
    t.regex(String(answer.headers['access-control-allow-headers']), /authorization.*dpop/);
  }
});

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
      t.is(
        readerOf(await send(server.url + path, { headers: forged })),
        undefined,
        'the token has no valid signature',
      );
    }
  },
);
