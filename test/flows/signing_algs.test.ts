// By which algorithm the server signs for a client, and what a change of SIGNING_ALG means for the clients that exist.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { ExecutionContext } from 'ava';
import { decodeProtectedHeader, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import type { NewClient } from '../../src/core/clients/client_metadata.ts';
import { updateClient } from '../../src/core/clients/clients.ts';
import { enterAsAdmin, post } from '../helpers/admin.ts';
import { makeUser } from '../helpers/builders.ts';
import { type Answer, send } from '../helpers/client.ts';
import { discover, logIn, type Scene, setUpScene, startRequest } from '../helpers/code_flow.ts';
import { loadKeys, removeKeys } from '../helpers/keys.ts';
import { api, keySetOf, signIn } from '../helpers/oauth.ts';
import { openPathProxy } from '../helpers/path_proxy.ts';
import { clientRowOf, manage, register, wanted as usual } from '../helpers/register.ts';
import { makeConfidentialClient, makeResourceServer } from '../helpers/resources.ts';
import { startTestServer, type TestServer, testOnOwnServers, testOnServers } from '../helpers/server.ts';
import { type Store, testOnStores } from '../helpers/stores.ts';
import { openUserAgent } from '../helpers/user_agent.ts';

/** What a client registers that refreshes. */
const wanted = { ...usual, grant_types: ['authorization_code', 'refresh_token'] };

const algOf = (jwt: string | undefined) => decodeProtectedHeader(String(jwt)).alg;

/** The algorithms of the ID tokens of a login and of a refresh. */
async function algsOf(scene: Scene): Promise<unknown[]> {
  const tokens = await logIn(scene);
  const next = await oidc.refreshTokenGrant(scene.config, tokens.refresh_token ?? '');
  return [algOf(tokens.id_token), algOf(next.id_token)];
}

/** The algorithm of the signed answer to an introspection by this client. */
async function introspectionAlgOf(server: TestServer, client: Record<string, string>): Promise<unknown> {
  const headers = { accept: 'application/token-introspection+jwt' };
  const { text: jwt } = await send(`${server.url}/introspect`, {
    headers,
    form: { ...client, token: 'none' },
  });
  const { protectedHeader } = await jwtVerify(jwt, keySetOf(server), { issuer: server.issuer });
  return protectedHeader.alg;
}

const cases: [title: string, client: Partial<NewClient>, alg: string][] = [
  ['a third-party client that asks for no algorithm', {}, 'RS256'],
  ['a client that asks for ES256', { id_token_signed_response_alg: 'ES256' }, 'ES256'],
  ['a first-party client', { first_party: true }, 'ES256'],
  [
    'a first-party client that asks for RS256',
    { first_party: true, id_token_signed_response_alg: 'RS256' },
    'RS256',
  ],
];

for (const [title, client, alg] of cases) {
  testOnServers(`${title} gets ${alg} at the login and at each refresh`, async (t, server) => {
    t.deepEqual(await algsOf(await setUpScene(server, { client })), [alg, alg]);
  });
}

testOnServers('RS256 is offered beside ES256, which signs access tokens', async (t, server) => {
  const { body } = await send(`${server.url}/.well-known/openid-configuration`);
  t.deepEqual(body.id_token_signing_alg_values_supported, ['ES256', 'RS256']);
  t.deepEqual(body.introspection_signing_alg_values_supported, ['ES256', 'RS256']);
  const { tokens } = await signIn(server);
  t.is(algOf(tokens.access_token), 'ES256');
  const { form } = await makeResourceServer(server, 'jwt');
  const scene = await setUpScene(server);
  const { access_token } = await logIn(scene, {
    resource: String(form.resource),
    scope: 'openid orders:read',
  });
  t.is(algOf(access_token), 'ES256', 'of a third-party client too');
});

testOnServers(
  'signed introspection follows the ID tokens unless the client asks for another',
  async (t, server) => {
    const own = { introspection_signed_response_alg: 'ES256', id_token_signed_response_alg: 'RS256' };
    for (const [given, alg] of [
      [{ first_party: false }, 'RS256'],
      [{ first_party: true }, 'ES256'],
      [{ id_token_signed_response_alg: 'RS256' }, 'RS256'],
      [own, 'ES256'],
    ] as const) {
      const client = await makeConfidentialClient(server, { ...given, resource_server: '*' });
      t.is(await introspectionAlgOf(server, client), alg, JSON.stringify(given));
    }
  },
);

testOnOwnServers(
  'logout tokens are signed by the algorithm of the ID tokens',
  { FETCH_PRIVATE_ADDRESSES: 'true' },
  async (t, server) => {
    for (const [given, alg] of [
      [{}, 'RS256'],
      [{ id_token_signed_response_alg: 'ES256' }, 'ES256'],
    ] as const) {
      const { url, token } = await receiveOne(t);
      const scene = await setUpScene(server, { client: { ...given, backchannel_logout_uri: url } });
      const { refresh_token = '' } = await logIn(scene);
      await oidc.tokenRevocation(scene.config, refresh_token);
      const verified = await jwtVerify(await token, keySetOf(server), { typ: 'logout+jwt' });
      t.is(verified.protectedHeader.alg, alg);
    }
  },
);

/** A client's own server, and the first logout token that it receives. */
async function receiveOne(t: ExecutionContext): Promise<{ url: string; token: Promise<string> }> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const server = createServer(async (request, response) => {
    resolve(new URLSearchParams(await text(request)).get('logout_token') ?? '');
    response.writeHead(204).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, token: promise };
}

interface Changing {
  /** Starts a server with this SIGNING_ALG, which takes the place of the one before. */
  start: (SIGNING_ALG?: string, lead?: number) => Promise<TestServer>;
}

/** A deployment whose settings change while its issuer stays. */
async function openChanging(t: ExecutionContext, store: Store): Promise<Changing> {
  const proxy = await openPathProxy('');
  t.teardown(proxy.close);
  return {
    async start(SIGNING_ALG = '', lead = 1) {
      const settings = { ISSUER: proxy.issuer, REGISTRATION: 'open', SIGNING_KEY_LEAD: String(lead) };
      const server = await startTestServer(t, store, { ...settings, SIGNING_ALG });
      proxy.passTo(server.url);
      return server;
    },
  };
}

async function rotateByForce(server: TestServer): Promise<void> {
  await post(server, await enterAsAdmin(server), '/keys/rotate', { force: true });
}

async function sceneOf(server: TestServer, { body }: Answer): Promise<Scene> {
  const client_id = String(body.client_id);
  const config = await discover(server, client_id, oidc.ClientSecretBasic(String(body.client_secret)));
  return { server, config, client_id, user: await makeUser(server.db), ua: openUserAgent(server.issuer) };
}

testOnStores('a change of SIGNING_ALG ends no client, whatever it asked for', async (t, store) => {
  const { start } = await openChanging(t, store);
  const before = await start();
  const registered = [
    await register(before, wanted),
    await register(before, { ...wanted, id_token_signed_response_alg: 'RS256' }),
    await register(before, { ...wanted, introspection_signed_response_alg: 'RS256' }),
  ];
  for (const made of registered) t.is(made.body.id_token_signed_response_alg, 'RS256', made.text);
  const [unsaid, said] = await Promise.all(registered.map((made) => clientRowOf(before, made)));
  t.is(unsaid?.metadata.id_token_signed_response_alg, undefined, 'only what the client said is kept');
  t.is(said?.metadata.id_token_signed_response_alg, 'RS256');

  await rotateByForce(await start('ES256'));
  await store.db('signing_keys').where({ status: 'retiring' }).delete();
  const server = await start('ES256');
  for (const made of registered) {
    const scene = await sceneOf(server, made);
    t.deepEqual(await algsOf(scene), ['ES256', 'ES256']);
    t.is((await manage(server, 'GET', made)).body.id_token_signed_response_alg, 'ES256');
  }
  const admin = await enterAsAdmin(server);
  const path = `PATCH /admin/clients/${said?.client_id}`;
  const change = async (json: object) => (await api(server, path, admin.token, { json })).status;
  t.is(await change({ client_name: 'Renamed' }), 200, 'it can be changed otherwise');
  t.is(
    await change({ id_token_signed_response_alg: 'RS256' }),
    400,
    'what is gone cannot be asked for again',
  );
  t.is(await change({ id_token_signed_response_alg: 'ES256' }), 200);
});

testOnStores('an algorithm that was added signs with the next rotation and not before', async (t, store) => {
  await removeKeys(store.db);
  await loadKeys(store.db, ['ES256']);
  const { start } = await openChanging(t, store);
  const old = await start();
  const made = await register(old, wanted);
  t.deepEqual(await algsOf(await sceneOf(old, made)), ['ES256', 'ES256']);
  const server = await start('ES256,EdDSA', 900);
  const asked = { ...wanted, id_token_signed_response_alg: 'EdDSA' };
  t.is((await register(server, asked)).body.id_token_signed_response_alg, 'ES256', 'not offered yet');
  await rotateByForce(server);
  const later = await register(server, asked);
  t.is(later.body.id_token_signed_response_alg, 'EdDSA');
  t.deepEqual(await algsOf(await sceneOf(server, later)), ['EdDSA', 'EdDSA']);
  t.deepEqual(await algsOf(await sceneOf(server, made)), ['ES256', 'ES256']);
});

testOnOwnServers('a hint whose key is gone counts as absent', {}, async (t, server) => {
  const goodbye = 'https://app.example/bye';
  const scene = await setUpScene(server, { client: { post_logout_redirect_uris: [goodbye] } });
  const { id_token: id_token_hint = '' } = await logIn(scene);
  await post(server, await enterAsAdmin(server), '/keys/rotate', { force: true });
  await server.db('signing_keys').where({ status: 'retiring' }).delete();
  await post(server, await enterAsAdmin(server), '/keys/rotate', { force: true });

  const silent = await startRequest(scene, { prompt: 'none', id_token_hint });
  const { location } = await scene.ua.open(silent.url.href);
  t.truthy(new URL(String(location)).searchParams.get('code'), String(location));
  const pushed = await oidc.buildAuthorizationUrlWithPAR(scene.config, silent.parameters);
  t.truthy(new URL(String((await scene.ua.open(pushed.href)).location)).searchParams.get('code'));

  const url = (more: object) => `${server.url}/logout?${new URLSearchParams({ id_token_hint, ...more })}`;
  const page = await scene.ua.open(url({ client_id: scene.client_id, post_logout_redirect_uri: goodbye }));
  t.is(page.status, 200, page.text);
  t.is((await scene.ua.submit(page, '/confirm', { logout: 'yes' })).location, goodbye);
});

testOnServers(
  'a hint with a key of ours is verified, by the algorithm of this key alone',
  async (t, server) => {
    const scene = await setUpScene(server);
    const { id_token = '' } = await logIn(scene);
    const [head = '', claims = '', signature = ''] = id_token.split('.');
    const header = JSON.parse(Buffer.from(head, 'base64url').toString());
    const other = (await server.db('signing_keys').where({ status: 'current', alg: 'ES256' }).first('kid'))
      ?.kid;
    const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
    const status = async (hint: string) =>
      (await scene.ua.open(`${server.url}/logout?${new URLSearchParams({ id_token_hint: hint })}`)).status;
    t.is(await status(id_token), 200);
    for (const forged of [
      `${encode({ ...header, alg: 'none' })}.${claims}.`,
      `${encode({ ...header, alg: 'HS256' })}.${claims}.${signature}`,
      `${encode({ ...header, alg: 'PS256' })}.${claims}.${signature}`,
      `${encode({ ...header, alg: 'ES256' })}.${claims}.${signature}`,
      `${encode({ ...header, kid: other })}.${claims}.${signature}`,
      `${encode({ ...header, kid: other, alg: 'ES256' })}.${claims}.${signature}`,
      `${head}.${encode({ sub: 'x', aud: scene.client_id, iss: server.issuer })}.${signature}`,
    ]) {
      t.is(await status(forged), 400, forged);
    }
    await server.db.transaction(
      async (tx) => await updateClient(tx, scene.client_id, { id_token_signed_response_alg: 'ES256' }),
    );
    t.is(await status(id_token), 200, 'the client has asked for another algorithm since');
  },
);
