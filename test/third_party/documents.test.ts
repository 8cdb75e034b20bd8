// Clients whose id is the URL of their metadata (client ID metadata documents), served over real TLS.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import * as oidc from 'openid-client';
import { makeUser } from '../helpers/builders.ts';
import { startServerProcess, type TestServer, testOnOwnServers, testOnServers } from '../helpers/server.ts';
import { makeStore, storeNames } from '../helpers/stores.ts';
import { openUserAgent, textOf } from '../helpers/user_agent.ts';
import { begin, callback, discover, logIn, sentTo, typePassword } from './code_flow.ts';

// Of nobody but these tests: for localhost, signed by itself.
const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg6j3RfOIc0LQDLRij
jvsQc4FMR0+4LjlfYNsV5zLieOGhRANCAARc1rvOTik4VDVgUMN2EZe3a2EbHbaD
+ev3cPFkJgW6uqt3epDlOf+S4CV8a522wkETOo1DKWAMPZ1W8FyjtK9X
-----END PRIVATE KEY-----
`;
const cert = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUIXd3+zKEyzwIx7gYHUnMvKqpWjkwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTEwMTM0MFoYDzIxMjYxMDI4
MTAxMzQwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARc1rvOTik4VDVgUMN2EZe3a2EbHbaD+ev3cPFkJgW6uqt3epDlOf+S
4CV8a522wkETOo1DKWAMPZ1W8FyjtK9Xo28wbTAdBgNVHQ4EFgQULYWcYHkYsRlK
jrM+bZQfzjmUPDIwHwYDVR0jBBgwFoAULYWcYHkYsRlKjrM+bZQfzjmUPDIwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIgGH0SqKlYaDSEvPXvsB5GeGuMticQEPbbk1ZG8Z5lrssCIQDK
w3gYWfPdkA6SpsJZn9qPXuAFSp1JNyoSDbDwc8CuAg==
-----END CERTIFICATE-----
`;

/** Serves the document at `/client` (and says what else was asked), with its own URL as `client_id`. */
async function serveDocument(t: ExecutionContext, more: object = {}) {
  const asked: string[] = [];
  const server = createServer({ key, cert }, (request, response) => {
    asked.push(request.url ?? '');
    if (request.url === '/moved') return response.writeHead(302, { location: '/client' }).end();
    const document = {
      client_id,
      client_name: 'Document client',
      redirect_uris: [callback],
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
      ...more,
    };
    return response.setHeader('content-type', 'application/json').end(JSON.stringify(document));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const origin = `https://localhost:${(server.address() as AddressInfo).port}`;
  const client_id = `${origin}/client`;
  return { origin, client_id, asked };
}

async function enter(server: TestServer, client_id: string) {
  const config = await discover(server, client_id, oidc.None());
  return { server, config, client_id, user: await makeUser(server.db), ua: openUserAgent(server.url) };
}

for (const name of storeNames) {
  test(`a client that is a document signs users in, and never becomes one of ours (${name})`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'kindred-tls-'));
    t.teardown(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, 'ca.pem'), cert);
    const store = await makeStore(name);
    t.teardown(store.drop);
    const server = await startServerProcess(t, store, {
      CLIENT_ID_METADATA_DOCUMENTS: 'true',
      FETCH_PRIVATE_ADDRESSES: 'true',
      NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'),
    });
    const honest = await serveDocument(t);
    const scene = await enter(server, honest.client_id);
    const { url } = await begin(scene);
    const consent = await typePassword(scene.ua, await scene.ua.open(url.href), scene.user);
    t.regex(textOf(consent), /Document client would like access.*This app has not been verified/);
    await scene.ua.submit(consent, '/consent', { decision: 'allow' });
    const tokens = await logIn(scene);
    t.is(
      (await oidc.refreshTokenGrant(scene.config, tokens.refresh_token ?? '')).claims()?.sub,
      scene.user.id,
    );
    t.deepEqual(new Set(honest.asked), new Set(['/client']));

    const row = { first_party: true, scope: 'openid account admin', metadata: {}, secrets: [] };
    const liar = await serveDocument(t, { first_party: true, kindred: row, rotation_profile: 'observe' });
    const admin = await makeUser(server.db, { roles: ['admin'] });
    const lying = { ...(await enter(server, liar.client_id)), user: admin };
    for (const scope of ['openid admin', 'openid account']) {
      const asked = await begin(lying, { scope, resource: `${server.issuer}/api` });
      t.is(sentTo(await lying.ua.send(asked.url.href)).searchParams.get('error'), 'invalid_scope');
    }
    const asked = await begin(lying);
    const page = await typePassword(lying.ua, await lying.ua.open(asked.url.href), admin);
    t.regex(textOf(page), /This app has not been verified/, 'it has to ask');
    const rows = await server.db('clients').where({ registered_by: 'document' });
    t.deepEqual(
      rows.map((one) => [Boolean(one.first_party), one.rotation_profile, one.scope, one.resource_server]),
      rows.map(() => [false, 'strict', null, null]),
    );
    t.is(rows.length, 1, 'nobody has allowed the liar anything');

    for (const id of [
      `${honest.origin}/moved`,
      `${honest.origin}/other`,
      honest.client_id.replace('s:', ':'),
    ]) {
      const { url } = await begin(scene);
      url.searchParams.set('client_id', id);
      const refused = await scene.ua.send(url.href);
      t.deepEqual([refused.status, refused.location], [400, null], id);
    }
  });
}

testOnOwnServers(
  'no document is fetched from an inner address',
  { CLIENT_ID_METADATA_DOCUMENTS: 'true' },
  async (t, server) => {
    const { client_id, asked } = await serveDocument(t);
    const ua = openUserAgent(server.url);
    for (const host of ['localhost', '127.0.0.1', '[::ffff:127.0.0.1]', '0.0.0.0']) {
      const query = new URLSearchParams({
        client_id: client_id.replace('localhost', host),
        response_type: 'code',
      });
      const refused = await ua.send(`${server.url}/authorize?${query}`);
      t.deepEqual([refused.status, refused.location], [400, null], host);
    }
    t.deepEqual(asked, []);
    t.deepEqual(await server.db('clients').where({ registered_by: 'document' }), []);
  },
);

testOnServers('where documents are off, a URL is just an unknown client', async (t, server) => {
  const { client_id, asked } = await serveDocument(t);
  const query = new URLSearchParams({ client_id, response_type: 'code' });
  t.is((await openUserAgent(server.url).send(`${server.url}/authorize?${query}`)).status, 400);
  t.deepEqual(asked, []);
});
