// Clients whose id is the URL of their metadata (client ID metadata documents), served over real TLS.
import test from 'ava';
import { exportJWK } from 'jose';
import * as oidc from 'openid-client';
import { deleteClient } from '../../../src/core/actions/delete_client.ts';
import { updateClient } from '../../../src/core/clients/clients.ts';
import { createResourceServer } from '../../../src/core/clients/resource_servers.ts';
import { assertionOf, assertWith } from '../../helpers/assertions.ts';
import { makeUser } from '../../helpers/builders.ts';
import { assertRefused, send } from '../../helpers/client.ts';
import {
  answerPages,
  discover,
  logIn,
  openRequest,
  sentTo,
  startRequest,
  typePassword,
} from '../../helpers/code_flow.ts';
import { serveDocument, startWithDocuments } from '../../helpers/document_host.ts';
import { makeKey } from '../../helpers/dpop.ts';
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
    const ours = { first_party: true, kindred: row, rotation_profile: 'observe', max_sessions: 1 };
    const liar = await serveDocument(t, ours);
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
      t.deepEqual([refused.status, refused.location], [id.endsWith('moved') ? 503 : 400, null], id);
    }

    // By this spelling its members would reach the engine as they are.
    const alg = 'ES256';
    const algs = { id_token_signed_response_alg: alg, introspection_signed_response_alg: alg };
    const members: Record<string, unknown> = { ...algs, kindred: { scope: 'openid', said: {} } };
    members.client_id = (await serveDocument(t, members)).client_id.replace('https', 'HTTPS');
    const odd = await startRequest(scene);
    odd.url.searchParams.set('client_id', String(members.client_id));
    const refused = await scene.ua.send(odd.url.href);
    t.deepEqual([refused.status, refused.location], [400, null]);
    t.regex(
      textOf(refused),
      /^Unknown app/,
      'an id is compared as a string, and its scheme is in lower case',
    );
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
    const tokens = await oidc.authorizationCodeGrant(scene.config, back, started.checks);
    t.truthy(await oidc.refreshTokenGrant(scene.config, tokens.refresh_token ?? ''));
    const row = await rowOf(server.db('clients').where({ client_id: app.client_id }).first());
    t.deepEqual(
      [
        row.metadata.application_type,
        row.metadata.token_endpoint_auth_method,
        row.metadata.grant_types,
        row.metadata.id_token_signed_response_alg,
      ],
      ['native', 'none', ['authorization_code', 'refresh_token'], undefined],
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

  test(`a session goes on and can be ended while the host of its client’s document is down (${name})`, async (t) => {
    const first = await startWithDocuments(t, name);
    const { client_id, asked, close } = await serveDocument(t);
    const tokens = await logIn(await enter(first, client_id));
    const refresh = async (at: TestServer, refresh_token?: string) =>
      await token(at, { grant_type: 'refresh_token', client_id, refresh_token });
    let { refresh_token } = tokens;
    for (let i = 0; i < 3; i += 1)
      refresh_token = tokensOf(await refresh(first, refresh_token)).refresh_token;
    t.deepEqual(asked, ['/client'], 'no refresh asks the host');
    await close();
    // Another node has never seen the document.
    const server = await startWithDocuments(t, first);
    const refreshed = tokensOf(await refresh(server, refresh_token));
    t.is((await introspect(server, refreshed.access_token)).active, true);
    const blocked = async (is: boolean) =>
      await server.db.transaction((tx) => updateClient(tx, client_id, { blocked: is }));
    await blocked(true);
    assertRefused(t, await refresh(server, refreshed.refresh_token), {
      status: 400,
      error: 'invalid_client',
    });
    await blocked(false);
    const scene = await enter(server, client_id);
    t.is((await openRequest(scene)).status, 503, 'a new login needs the document');
    t.is((await revoke(server, refreshed.refresh_token, { client_id })).status, 200);
    t.is((await refresh(server, refreshed.refresh_token)).body.error, 'invalid_grant');
    await deleteClient(server.db, client_id, { actor: 'system' });
    const gone = await refresh(server, refreshed.refresh_token);
    assertRefused(t, gone, { status: 503, error: 'temporarily_unavailable' }, 'nothing is stored any more');
  });

  test(`a client with keys gets no tokens without its document, which may have revoked them (${name})`, async (t) => {
    const first = await startWithDocuments(t, name);
    const key = await makeKey();
    const jwks = { keys: [{ ...(await exportJWK(key.publicKey)), kid: 'mine' }] };
    const more = { jwks, token_endpoint_auth_method: 'private_key_jwt' };
    const { client_id, close, asked } = await serveDocument(t, more);
    const config = await discover(first, client_id, oidc.PrivateKeyJwt(key.privateKey));
    const { refresh_token } = await logIn({ ...(await enter(first, client_id)), config });
    const refresh = async (at: TestServer) => {
      const assertion = await assertionOf({ client_id, key }, at.issuer);
      return await token(at, { grant_type: 'refresh_token', refresh_token, ...assertWith(assertion) });
    };
    const server = await startWithDocuments(t, first);
    t.is(asked.length, 1, 'the document is fetched once');
    await close();
    const refused = { status: 503, error: 'temporarily_unavailable' };
    assertRefused(t, await refresh(server), refused, 'this node has never seen the document');
    t.is((await refresh(first)).status, 200, 'this one has read it within the hour');
  });

  test(`a document that cannot be fetched is no fault of its client (${name})`, async (t) => {
    const server = await startWithDocuments(t, name);
    const more: { status?: number } = { status: 503 };
    const { client_id, asked } = await serveDocument(t, more);
    const query = { client_id, response_type: 'code', scope: 'openid' };
    const page = await openUserAgent(server.url).send(
      `${server.url}/authorize?${new URLSearchParams(query)}`,
    );
    t.deepEqual([page.status, page.location], [503, null]);
    t.regex(textOf(page), /This app cannot be checked right now/);
    for (const [path, form] of [
      ['/token', { grant_type: 'authorization_code', code: 'x', client_id }],
      ['/revoke', { token: 'x', client_id }],
      ['/par', query],
      ['/device/authorize', { client_id }],
    ] as const) {
      const answer = await send(server.url + path, { form });
      assertRefused(t, answer, { status: 503, error: 'temporarily_unavailable' }, path);
      t.is(answer.headers['retry-after'], '10');
    }
    t.deepEqual(asked, ['/client'], 'the host is not asked again at once');
    t.deepEqual(await server.db('clients').where({ client_id }), []);
  });

  test(`a document that changes takes back what it allowed, and ends no session (${name})`, async (t) => {
    const first = await startWithDocuments(t, name);
    const more: Record<string, unknown> = { scope: 'openid profile email admin account' };
    const { client_id } = await serveDocument(t, more);
    const tokens = await logIn(await enter(first, client_id));
    const row = await rowOf(first.db('clients').where({ client_id }).first());
    t.is(row.scope, 'openid profile email offline_access', 'no document gets the scopes of our own API');
    more.redirect_uris = ['https://elsewhere.example/callback'];
    const server = await startWithDocuments(t, first);
    const scene = await enter(server, client_id);
    const { url } = await startRequest(scene);
    t.deepEqual([(await scene.ua.send(url.href)).location], [null], 'the old address gets no code');
    const form = { grant_type: 'refresh_token', client_id, refresh_token: tokens.refresh_token };
    const { refresh_token } = tokensOf(await token(server, form));
    more.token_endpoint_auth_method = 'client_secret_basic';
    const third = await startWithDocuments(t, first);
    t.is(
      (await token(third, { ...form, refresh_token })).status,
      200,
      'an unsuitable document changes nothing',
    );
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
      t.deepEqual([refused.status, refused.location], [503, null], host);
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
