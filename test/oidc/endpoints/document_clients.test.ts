// Clients whose id is the URL of their metadata (client ID metadata documents), served over real TLS.
import test from 'ava';
import * as oidc from 'openid-client';
import { updateClient } from '../../../src/core/clients/clients.ts';
import { createResourceServer } from '../../../src/core/clients/resource_servers.ts';
import { makeUser } from '../../helpers/builders.ts';
import { answerPages, discover, logIn, sentTo, startRequest, typePassword } from '../../helpers/code_flow.ts';
import { serveDocument, startWithDocuments } from '../../helpers/document_host.ts';
import { introspect, revoke, token, tokensOf } from '../../helpers/oauth.ts';
import { rowOf } from '../../helpers/rows.ts';
import { type TestServer, testOnOwnServers, testOnServers } from '../../helpers/server.ts';
import { storeNames } from '../../helpers/stores.ts';
import { openUserAgent, textOf } from '../../helpers/user_agent.ts';

async function enter(server: TestServer, client_id: string) {
  const config = await discover(server, client_id, oidc.None());
  return { server, config, client_id, user: await makeUser(server.db), ua: openUserAgent(server.url) };
}

for (const name of storeNames) {
  test(`a client described by a document signs users in and never becomes first-party (${name})`, async (t) => {
    const server = await startWithDocuments(t, name);
    const honest = await serveDocument(t);
    const scene = await enter(server, honest.client_id);
    const { url } = await startRequest(scene);
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
      const asked = await startRequest(lying, { scope, resource: `${server.issuer}/api` });
      t.is(sentTo(await lying.ua.send(asked.url.href)).searchParams.get('error'), 'invalid_scope');
    }
    const asked = await startRequest(lying);
    const page = await typePassword(lying.ua, await lying.ua.open(asked.url.href), admin);
    t.regex(textOf(page), /This app has not been verified/, 'the consent page appears');
    const rows = await server.db('clients').where({ registered_by: 'document' });
    t.deepEqual(
      rows.map((one) => [Boolean(one.first_party), one.rotation_profile, one.scope, one.resource_server]),
      rows.map(() => [false, 'mobile', null, null]),
    );
    t.is(rows.length, 1, 'the lying client has no row, because no user has consented');
    const { client_id } = liar;
    const { refresh_token } = tokens;
    const { status, body } = await token(server, { grant_type: 'refresh_token', client_id, refresh_token });
    t.deepEqual([status, body.error], [400, 'invalid_grant'], 'it is authentic and has no session');

    for (const id of [
      `${honest.origin}/moved`,
      `${honest.origin}/other`,
      honest.client_id.replace('s:', ':'),
    ]) {
      const { url } = await startRequest(scene);
      url.searchParams.set('client_id', id);
      const refused = await scene.ua.send(url.href);
      t.deepEqual([refused.status, refused.location], [400, null], id);
    }
  });
}

for (const name of storeNames) {
  test(`a minimal document is enough, and its loopback redirect may use any port (${name})`, async (t) => {
    const server = await startWithDocuments(t, name);
    await createResourceServer(server.db, {
      identifier: 'https://mcp.example/',
      scope: 'mcp:read mcp:write',
    });
    const unsaid = { grant_types: undefined, token_endpoint_auth_method: undefined };
    const redirect_uris = ['http://localhost/callback', 'http://127.0.0.1/callback'];
    const app = await serveDocument(t, { ...unsaid, redirect_uris });
    const scene = await enter(server, app.client_id);
    const started = await startRequest(scene, { redirect_uri: 'http://localhost:54545/callback' });
    const back = await answerPages(scene, await scene.ua.open(started.url.href));
    t.is(back.origin, 'http://localhost:54545');
    t.truthy((await oidc.authorizationCodeGrant(scene.config, back, started.checks)).access_token);
    const row = await rowOf(server.db('clients').where({ client_id: app.client_id }).first());
    t.deepEqual(
      [
        row.metadata.application_type,
        row.metadata.token_endpoint_auth_method,
        row.metadata.id_token_signed_response_alg,
      ],
      ['native', 'none', undefined],
    );

    const odd = await serveDocument(t, {
      scope: 'mcp:read unheard',
      grant_types: ['authorization_code', 'urn:example:other'],
      id_token_signed_response_alg: 'PS256',
      logo_uri: null,
      contacts: [],
    });
    const other = await enter(server, odd.client_id);
    const ask = async (scope: string) => {
      const { url } = await startRequest(other, { scope, nonce: '', resource: 'https://mcp.example/' });
      return (await other.ua.send(url.href)).location ?? '';
    };
    t.regex(await ask('mcp:read'), /\/interaction\//);
    t.regex(await ask('mcp:write'), /error=invalid_scope/);
    const web = await serveDocument(t, { redirect_uris: ['http://app.example/cb'] });
    const { url } = await startRequest(await enter(server, web.client_id), {
      redirect_uri: 'http://app.example/cb',
    });
    t.deepEqual(
      [(await scene.ua.send(url.href)).status, (await scene.ua.send(url.href)).location],
      [400, null],
    );
  });

  test(`a session can be refreshed and ended while the host of its client’s document is down (${name})`, async (t) => {
    const first = await startWithDocuments(t, name);
    const { client_id, close } = await serveDocument(t);
    const tokens = await logIn(await enter(first, client_id));
    await close();
    // Another node has never seen the document.
    const server = await startWithDocuments(t, first);
    const refresh = async (refresh_token?: string) =>
      await token(server, { grant_type: 'refresh_token', client_id, refresh_token });
    const refreshed = await refresh(tokens.refresh_token);
    t.is(refreshed.status, 200, refreshed.text);
    const { access_token, refresh_token } = tokensOf(refreshed);
    t.is((await introspect(server, access_token)).active, true);
    const query = new URLSearchParams({ client_id, response_type: 'code' });
    t.is(
      (await openUserAgent(server.url).send(`${server.url}/authorize?${query}`)).status,
      400,
      'no new login',
    );
    t.is((await revoke(server, refresh_token, { client_id })).status, 200);
    t.is((await refresh(refresh_token)).body.error, 'invalid_grant');
  });

  test(`a blocked client stays blocked, whatever its document says (${name})`, async (t) => {
    const server = await startWithDocuments(t, name);
    const { client_id, asked } = await serveDocument(t);
    const scene = await enter(server, client_id);
    const tokens = await logIn(scene);
    await server.db.transaction((tx) => updateClient(tx, client_id, { blocked: true }));
    const { url } = await startRequest(scene);
    const refused = await scene.ua.send(url.href);
    t.deepEqual([refused.status, refused.location], [400, null]);
    const refresh = oidc.refreshTokenGrant(scene.config, tokens.refresh_token ?? '');
    t.is((await t.throwsAsync<oidc.ResponseBodyError>(refresh))?.error, 'invalid_client');
    t.is(asked.length, 1, 'the document is not fetched again');
    const long = `${client_id}?${'x'.repeat(2048)}`;
    url.searchParams.set('client_id', long);
    t.is((await scene.ua.send(url.href)).status, 400);
    t.is(asked.length, 1);
  });
}

testOnOwnServers(
  'no document is fetched from a private address',
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

testOnServers('with documents switched off, a URL is an unknown client', async (t, server) => {
  const { client_id, asked } = await serveDocument(t);
  const query = new URLSearchParams({ client_id, response_type: 'code' });
  t.is((await openUserAgent(server.url).send(`${server.url}/authorize?${query}`)).status, 400);
  t.deepEqual(asked, []);
});
