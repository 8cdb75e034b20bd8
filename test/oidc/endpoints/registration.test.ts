// Clients that register themselves (RFC 7591, RFC 7592), and the rights that they cannot get.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { generateKeyPair, SignJWT } from 'jose';
import * as oidc from 'openid-client';
import { createResourceServer } from '../../../src/core/clients/resource_servers.ts';
import { json } from '../../../src/core/store/columns.ts';
import { makeUser } from '../../helpers/builders.ts';
import { send } from '../../helpers/client.ts';
import { callback, discover, logIn, sentTo, startRequest, typePassword } from '../../helpers/code_flow.ts';
import { login, token } from '../../helpers/oauth.ts';
import { clientRowOf, manage, register, wanted } from '../../helpers/register.ts';
import { rowOf } from '../../helpers/rows.ts';
import { type TestServer, testOnOwnServers, testOnServers } from '../../helpers/server.ts';
import { openUserAgent, textOf } from '../../helpers/user_agent.ts';

// The log is lines of JSON; the engine prints its warnings as text, once per process.
const warnings: unknown[] = [];
console.warn = (...said: unknown[]) => {
  warnings.push(said);
};
test.after('no registration makes the engine print a warning outside the log', (t) =>
  t.deepEqual(warnings, []),
);

testOnServers('no client can register when registration is off', async (t, server) => {
  for (const method of ['POST', 'GET', 'PUT', 'DELETE'])
    t.is((await send(`${server.url}/register`, { method, json: wanted })).status, 404, method);
  t.is((await send(`${server.url}/register/gateway`)).status, 404);
  const { body } = await send(`${server.url}/.well-known/openid-configuration`);
  t.is(body.registration_endpoint, undefined);
});

const initial = 'the-initial-access-token-of-these-tests';

testOnOwnServers(
  'with an initial access token, only its holder can register clients',
  { REGISTRATION: 'token', REGISTRATION_TOKEN: initial },
  async (t, server) => {
    for (const wrong of [undefined, 'wrong', `${initial}x`])
      t.true([400, 401].includes((await register(server, wanted, wrong)).status), String(wrong));
    t.is((await register(server, wanted, initial)).status, 201);
    t.is((await server.db('clients').where({ registered_by: 'itself' })).length, 1);
  },
);

const open = { REGISTRATION: 'open' };

testOnOwnServers('a page of any origin registers a client and reads why not', open, async (t, server) => {
  const headers = { origin: 'http://localhost:6274' };
  const ask = async (path: string, json: object, more: object = {}) =>
    await send(server.url + path, { json, headers: { ...headers, ...more } });
  const made = await ask('/register', { redirect_uris: ['http://localhost:6274/callback'] });
  const refused = await ask('/register', { redirect_uris: ['javascript:alert(1)'] });
  const authorization = `Bearer ${made.body.registration_access_token}`;
  const path = `/register/${made.body.client_id}`;
  const read = await send(server.url + path, { headers: { ...headers, authorization } });
  const unauthorized = await send(server.url + path, { headers: { ...headers, authorization: 'Bearer x' } });
  const options = await send(`${server.url}/register`, { method: 'OPTIONS' });
  t.deepEqual(
    [made, refused, read, unauthorized].map((answer) => [
      answer.status,
      answer.headers['access-control-allow-origin'],
      answer.headers['access-control-allow-credentials'],
    ]),
    [201, 400, 200, 401].map((status) => [status, headers.origin, undefined]),
  );
  t.deepEqual([options.status, options.headers.allow?.includes('POST')], [204, true]);
});

testOnOwnServers('a client registers, reads, changes and removes itself', open, async (t, server) => {
  const made = await register(server);
  t.is(made.status, 201, made.text);
  const { client_id, client_secret, registration_access_token, ...shown } = made.body;
  t.like(shown, {
    ...wanted,
    registration_client_uri: `${server.issuer}/register/${client_id}`,
    token_endpoint_auth_method: 'client_secret_basic',
    client_secret_expires_at: 0,
  });
  t.false('kindred' in shown);
  const auth = oidc.ClientSecretBasic(String(client_secret));
  const config = await discover(server, String(client_id), auth);
  const user = await makeUser(server.db);
  const ua = openUserAgent(server.url);
  const scene = { server, config, client_id: String(client_id), user, ua };
  const { url } = await startRequest(scene);
  const consent = await typePassword(ua, await ua.open(url.href), user);
  t.regex(textOf(consent), /This app has not been verified/);
  t.true(sentTo(await ua.submit(consent, '/consent', { decision: 'allow' })).searchParams.has('code'));

  const read = await manage(server, 'GET', made);
  t.is(read.status, 200);
  t.deepEqual([read.body.client_name, 'client_secret' in read.body], ['Stranger', false]);
  t.notRegex(read.text, /digest|kindred"|compared elsewhere/);
  const change = { ...wanted, client_id, client_name: 'Known stranger' };
  const wrong = await manage(server, 'PUT', made, { ...change, client_secret: 'wrong' });
  t.is(wrong.status, 400);
  const changed = await manage(server, 'PUT', made, { ...change, client_secret });
  t.is(changed.status, 200, changed.text);
  t.deepEqual([changed.body.client_name, 'kindred' in changed.body], ['Known stranger', false]);
  t.notRegex(changed.text, /compared elsewhere/);
  t.not(changed.body.registration_access_token, registration_access_token);
  t.is((await manage(server, 'GET', made)).status, 401, 'the old registration token has been replaced');
  t.is((await logIn(scene)).claims()?.sub, user.id, 'the secret is still valid');
  t.is(
    (await manage(server, 'GET', { ...made, body: { ...changed.body, client_id: 'gateway' } })).status,
    401,
  );
  t.is(
    (await manage(server, 'DELETE', changed)).status,
    401,
    'a registration token that was tried on another client is revoked',
  );

  const other = await register(server);
  t.is((await manage(server, 'DELETE', other)).status, 204);
  t.deepEqual(await server.db('clients').where({ client_id: String(other.body.client_id) }), []);
});

testOnOwnServers(
  'a client that registers itself is third-party, whatever its metadata says',
  open,
  async (t, server) => {
    const boast = {
      ...wanted,
      first_party: true,
      registered_by: 'admin',
      rotation_profile: 'observe',
      resource_server: '*',
      refresh_token_retry_window: 86_400,
      max_sessions: 1,
      scope: 'openid account admin',
      grant_types: ['authorization_code', 'refresh_token', 'password', 'client_credentials'],
      kindred: { first_party: true, scope: 'admin', secrets: [] },
    };
    const answers = [await register(server, boast), await register(server, { ...boast, scope: undefined })];
    const plain = await register(server);
    const { client_id } = plain.body;
    answers.push(await manage(server, 'PUT', plain, { ...boast, scope: undefined, client_id }), plain);
    for (const { body } of answers.filter(({ status }) => status < 300)) {
      const row = await rowOf(
        server
          .db('clients')
          .where({ client_id: String(body.client_id) })
          .first(),
      );
      t.like(row, {
        ...{ registered_by: 'itself', rotation_profile: 'web' },
        ...{ resource_server: null, max_sessions: null },
      });
      t.deepEqual([Boolean(row.first_party), row.refresh_token_retry_window], [false, 20]);
      t.like(
        body,
        {
          ...{ rotation_profile: 'web', refresh_token_retry_window: 20 },
          rotation_profile_description:
            'web: for 20 s after a refresh the previous refresh token gets the same answer again; later, its use ends the session',
        },
        'as the answer says',
      );
      const user = await makeUser(server.db);
      const { client_id, client_secret = plain.body.client_secret } = body as Record<string, string>;
      const basic = { headers: { authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` } };
      const byPassword = await login(server, user, { client_id: '' }, { client_id: undefined }, basic);
      t.deepEqual([byPassword.status, byPassword.body.error], [400, 'unauthorized_client']);
      for (const scope of ['admin', 'account', 'admin account']) {
        const alone = await token(server, { grant_type: 'client_credentials', scope }, basic);
        t.is(alone.status, 400, scope);
      }
      const config = await discover(server, String(client_id), oidc.None());
      const scene = { server, config, client_id: String(client_id), user, ua: openUserAgent(server.url) };
      for (const scope of ['openid admin', 'openid account']) {
        const { url } = await startRequest(scene, { scope, resource: `${server.issuer}/api` });
        t.is(sentTo(await scene.ua.send(url.href)).searchParams.get('error'), 'invalid_scope');
      }
    }
  },
);

testOnOwnServers(
  'a client that registered itself can use neither client_credentials nor the password grant',
  open,
  async (t, server) => {
    await createResourceServer(server.db, { identifier: 'https://orders.test/', scope: 'orders:write' });
    for (const token_endpoint_auth_method of ['none', 'client_secret_basic']) {
      for (const grant of ['client_credentials', 'password']) {
        const machine = { redirect_uris: [], response_types: [], grant_types: [grant] };
        const refused = await register(server, { ...machine, token_endpoint_auth_method });
        t.is(refused.status, 400, refused.text);
      }
    }
    t.deepEqual(await server.db('clients').where({ registered_by: 'itself' }), []);

    const grant_types = ['authorization_code', 'refresh_token', 'client_credentials', 'password'];
    const made = await register(server, { ...wanted, grant_types });
    t.is(made.status, 201, made.text);
    t.deepEqual(
      made.body.grant_types,
      ['authorization_code', 'refresh_token'],
      'the answer shows what was registered',
    );
    const { client_id, client_secret } = made.body as Record<string, string>;
    const basic = { headers: { authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` } };
    const ask = async () => [
      await token(server, { grant_type: 'client_credentials', resource: 'https://orders.test/' }, basic),
      await token(server, { grant_type: 'password', username: 'x', password: 'y' }, basic),
    ];
    for (const { status, body } of await ask())
      t.deepEqual([status, body.error], [400, 'unauthorized_client']);

    // A node of an earlier version may have written this row.
    const { metadata } = await clientRowOf(server, made);
    await server
      .db('clients')
      .where({ client_id })
      .update({ metadata: json({ ...(metadata as object), grant_types }), first_party: true });
    for (const { status, body } of await ask())
      t.deepEqual([status, body.error], [400, 'unauthorized_client']);
  },
);

/** What a browser reads in another way than a program, or takes as a path of the server that redirects to it. */
const misread = [
  'https:app.example/cb',
  'https:/app.example/cb',
  'https:\\\\app.example/cb',
  'https://app.example\\@other.example/cb',
  'https://app.example/cb\r\nX: y',
  'https://app.example/cb\0',
  ' https://app.example/cb',
];

testOnOwnServers('invalid metadata is refused with 400 and causes no failure', open, async (t, server) => {
  const made = await register(server);
  for (const json of [
    {},
    { redirect_uris: 'x' },
    { redirect_uris: [] },
    { redirect_uris: ['javascript:alert(1)'] },
    { redirect_uris: [`${callback}#x`] },
    { ...wanted, client_name: 5 },
    { ...wanted, client_name: { $gt: '' } },
    { ...wanted, logo_uri: 'javascript:alert(1)' },
    { ...wanted, jwks: { keys: [{ kty: 'oct', k: 'AAAA' }] } },
    { ...wanted, redirect_uris: ['http://app.example/cb'] },
    { ...wanted, redirect_uris: ['view-source:https://app.example/'], application_type: 'native' },
    { ...wanted, redirect_uris: ['intent://cb#Intent;scheme=app;end'], application_type: 'native' },
    { ...wanted, redirect_uris: [callback, 'http://127.0.0.1:8000/cb', 'http://app.example/cb'] },
    { ...wanted, post_logout_redirect_uris: ['http://app.example/bye'] },
    ...misread.map((uri) => ({ ...wanted, redirect_uris: [uri] })),
    ...misread.map((uri) => ({ ...wanted, post_logout_redirect_uris: [uri] })),
    { ...wanted, scope: ['openid'] },
    { ...wanted, grant_types: ['urn:example:nothing'] },
    { ...wanted, client_name: 'x'.repeat(50_000) },
    [],
    null,
  ]) {
    const answer = await register(server, json as object);
    t.is(answer.status, 400, `${JSON.stringify(json)?.slice(0, 100)}: ${answer.status}`);
  }
  for (const id of ['%E0%A4%A', '%00', "x'", '../x', 'x'.repeat(3000)]) {
    const answer = await send(server.url, {
      method: 'PUT',
      path: `/register/${id}`,
      token: String(made.body.registration_access_token),
      json: { client_secret: 'x' },
    });
    t.true(answer.status >= 400 && answer.status < 500, `${id}: ${answer.status}`);
  }
});

/** A server at a private address, and the requests to it. */
async function startPrivateServer(t: ExecutionContext) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.setHeader('content-type', 'application/json').end('{"keys":[]}');
  });
  await new Promise<void>((resolve) => server.listen(0, resolve));
  t.teardown(() => server.close());
  return { port: (server.address() as AddressInfo).port, asked };
}

/** Registers a client with keys at `host`, then authenticates it, which needs those keys. */
async function useKeysAt(server: TestServer, host: string, port: number): Promise<number> {
  const made = await register(server, {
    ...wanted,
    jwks_uri: `http://${host}:${port}/jwks`,
    token_endpoint_auth_method: 'private_key_jwt',
  });
  if (made.status === 400) return 400;
  const client_id = String(made.body.client_id);
  const client_assertion = await new SignJWT({ jti: crypto.randomUUID() })
    .setProtectedHeader({ alg: 'RS256', kid: 'x' })
    .setIssuer(client_id)
    .setSubject(client_id)
    .setAudience(server.issuer)
    .setExpirationTime('1m')
    .sign((await generateKeyPair('RS256')).privateKey);
  const grant = { grant_type: 'authorization_code', code: 'x', redirect_uri: callback };
  const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
  return (await token(server, { ...grant, client_id, client_assertion, client_assertion_type })).status;
}

testOnOwnServers(
  'nothing is fetched from private addresses, given as numbers or names',
  open,
  async (t, server) => {
    const { port, asked } = await startPrivateServer(t);
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '0.0.0.0', '2130706433']) {
      const status = await useKeysAt(server, host, port);
      t.true([400, 401].includes(status), `${host}: ${status}`);
    }
    t.deepEqual(asked, []);
  },
);

testOnOwnServers(
  'keys are fetched from private addresses when the settings allow it',
  { ...open, FETCH_PRIVATE_ADDRESSES: 'true' },
  async (t, server) => {
    const { port, asked } = await startPrivateServer(t);
    t.is(await useKeysAt(server, '127.0.0.1', port), 401);
    t.true(asked.length > 0 && asked.every((path) => path === '/jwks'));
  },
);
