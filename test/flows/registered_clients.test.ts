// Dynamic registration: what becomes of the metadata that a client sends, and what administrators can change.
import * as oidc from 'openid-client';
import { updateClient } from '../../src/core/clients/clients.ts';
import { createResourceServer } from '../../src/core/clients/resource_servers.ts';
import { makeUser } from '../helpers/builders.ts';
import { type Answer, assertRefused } from '../helpers/client.ts';
import { answerPages, callback, discover, logIn, startRequest } from '../helpers/code_flow.ts';
import { introspect, token } from '../helpers/oauth.ts';
import { clientRowOf, manage, register, wanted } from '../helpers/register.ts';
import { type TestServer, testOnOwnServers } from '../helpers/server.ts';
import { openUserAgent } from '../helpers/user_agent.ts';

const open = { REGISTRATION: 'open' };

/** These members of a registration. */
const of = ({ body }: Answer, ...names: string[]) =>
  Object.fromEntries(names.map((name) => [name, body[name]]));

testOnOwnServers(
  'unsuitable metadata is left out or replaced, and the response shows it',
  open,
  async (t, server) => {
    const api = await createResourceServer(server.db, {
      identifier: 'https://mcp.example/',
      scope: 'mcp:read mcp:write',
    });
    const made = await register(server, {
      ...wanted,
      scope: 'mcp:read claudeai admin account',
      grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:token-exchange'],
      response_types: ['code', 'id_token'],
      token_endpoint_auth_method: 'client_secret_jwt',
      token_endpoint_auth_signing_alg: 'HS256',
      id_token_signed_response_alg: 'HS256',
      logo_uri: null,
      client_uri: '',
      contacts: ['https://app.example/contact', 'somebody@app.example'],
      subject_type: 'pairwise',
      sector_identifier_uri: 'https://127.0.0.1/none',
      software_statement: 'x',
      unknown: { deep: [1] },
    });
    t.is(made.status, 201, made.text);
    t.deepEqual(
      of(made, 'scope', 'grant_types', 'response_types', 'token_endpoint_auth_method', 'contacts'),
      {
        scope: 'mcp:read offline_access',
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'client_secret_basic',
        contacts: ['somebody@app.example'],
      },
    );
    t.deepEqual(of(made, 'logo_uri', 'subject_type', 'unknown'), {
      logo_uri: undefined,
      subject_type: 'public',
      unknown: undefined,
    });
    t.is((await manage(server, 'GET', made)).body.scope, 'mcp:read offline_access');

    const config = await discover(server, String(made.body.client_id), oidc.None());
    const scene = { server, config, client_id: String(made.body.client_id), user: await makeUser(server.db) };
    const ask = async (scope: string) => {
      const ua = openUserAgent(server.url);
      const { url } = await startRequest({ ...scene, ua }, { scope, resource: api.identifier, nonce: '' });
      return (await ua.send(url.href)).location ?? '';
    };
    t.regex(await ask('mcp:read offline_access'), /\/interaction\//);
    for (const scope of ['mcp:write', 'openid']) t.regex(await ask(scope), /error=invalid_scope/, scope);

    const { client_id } = made.body;
    const wider = await manage(server, 'PUT', made, {
      ...wanted,
      client_id,
      scope: 'mcp:read mcp:write nothing',
    });
    // A client that names no grant types may refresh.
    t.deepEqual(of(wider, 'scope', 'grant_types'), {
      scope: 'mcp:read mcp:write offline_access',
      grant_types: ['authorization_code', 'refresh_token'],
    });
    await changeScope(server, String(client_id), 'mcp:read');
    const again = await manage(server, 'PUT', wider, { ...wanted, client_id, scope: 'mcp:read mcp:write' });
    t.deepEqual(of(again, 'scope'), { scope: 'mcp:read' }, 'the value set by the administrator remains');
    const none = await register(server, { ...wanted, scope: 'claudeai' });
    t.deepEqual(
      [none.status, none.body.scope, (await clientRowOf(server, none)).scope],
      [201, undefined, null],
    );
  },
);

async function changeScope({ db }: TestServer, client_id: string, scope: string) {
  await db.transaction((tx) => updateClient(tx, client_id, { scope }));
}

testOnOwnServers('a native app is recognised by its redirect URIs', open, async (t, server) => {
  const app = { client_name: 'App', token_endpoint_auth_method: 'none' };
  for (const redirect_uris of [
    ['http://127.0.0.1:19876/cb'],
    ['http://localhost/cb', 'http://[::1]/cb'],
    ['cursor://anysphere.cursor-mcp/oauth/callback'],
    ['com.example.app:/cb', 'http://127.0.0.1/cb'],
    ['https://app.example/cb', 'http://127.0.0.1:33418/'],
  ]) {
    const made = await register(server, { ...app, redirect_uris });
    t.deepEqual([made.status, made.body.application_type], [201, 'native'], made.text);
  }
  t.is((await register(server, { ...app, redirect_uris: [callback] })).body.application_type, 'web');
  const { body } = await register(server, { ...app, redirect_uris: ['http://127.0.0.1:19876/cb'] });
  const client_id = String(body.client_id);
  const config = await discover(server, client_id, oidc.None());
  const ua = openUserAgent(server.url);
  const scene = { server, config, client_id, user: await makeUser(server.db), ua };
  const started = await startRequest(scene, { redirect_uri: 'http://127.0.0.1:40000/cb' });
  const back = await answerPages(scene, await ua.open(started.url.href));
  t.is(back.origin, 'http://127.0.0.1:40000');
  t.truthy((await oidc.authorizationCodeGrant(config, back, started.checks)).access_token);
  const elsewhere = await startRequest(scene, { redirect_uri: 'http://127.0.0.1:40000/other' });
  t.is((await ua.send(elsewhere.url.href)).location, null);
});

testOnOwnServers(
  'each registration, its changes and its removal are in the audit trail',
  open,
  async (t, server) => {
    const made = await register(server);
    const client_id = String(made.body.client_id);
    const same = { ...wanted, client_id };
    const first = await manage(server, 'PUT', made, same);
    const second = await manage(server, 'PUT', first, { ...same, client_name: 'Other' });
    t.is((await manage(server, 'DELETE', second)).status, 204);
    const events = await server.db('audit_events').where({ client_id }).orderBy('id');
    t.deepEqual(
      events.map(({ type, actor, actor_id }) => [type, actor, actor_id]),
      ['client_registered', 'client_updated', 'client_deleted'].map((type) => [type, 'client', client_id]),
      'an update that changes nothing is not recorded',
    );
    t.true(events.every(({ ip, request_id }) => ip !== null && request_id !== null));
  },
);

testOnOwnServers(
  'a client that an administrator made first-party can no longer change itself',
  open,
  async (t, server) => {
    for (const change of [{ first_party: true }, { registered_by: 'admin' as const }]) {
      const made = await register(server);
      const { client_id } = made.body;
      t.is((await manage(server, 'GET', made)).status, 200);
      await server.db.transaction((tx) => updateClient(tx, String(client_id), change));
      const evil = { ...wanted, client_id, redirect_uris: ['https://evil.example/cb'] };
      for (const [method, json] of [['GET'], ['PUT', evil], ['DELETE']] as [string, object?][])
        t.is((await manage(server, method, made, json)).status, 403, method);
      const row = await clientRowOf(server, made);
      t.deepEqual([row.registered_by, row.metadata.redirect_uris], ['admin', [callback]]);
    }
  },
);

testOnOwnServers(
  'a registration access token works as long as its client exists',
  open,
  async (t, server) => {
    const made = await register(server);
    const rows = await server.db('oidc_models').where({ model: 'RegistrationAccessToken' });
    t.deepEqual(
      rows.map(({ expires_at }) => expires_at),
      [null],
    );
    t.is((await manage(server, 'GET', made)).status, 200);
  },
);

testOnOwnServers('a blocked client can do nothing, not even unblock itself', open, async (t, server) => {
  const made = await register(server, { ...wanted, token_endpoint_auth_method: 'none' });
  const client_id = String(made.body.client_id);
  const config = await discover(server, client_id, oidc.None());
  const scene = {
    server,
    config,
    client_id,
    user: await makeUser(server.db),
    ua: openUserAgent(server.url),
  };
  await register(server);
  const { body } = await register(server, {
    ...wanted,
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'none',
  });
  const own = {
    ...scene,
    client_id: String(body.client_id),
    config: await discover(server, String(body.client_id), oidc.None()),
  };
  const tokens = await logIn(own);
  const block = (id: string, blocked: boolean) =>
    server.db.transaction((tx) => updateClient(tx, id, { blocked }));
  await block(client_id, true);
  await block(own.client_id, true);
  const { url } = await startRequest(scene);
  t.deepEqual(
    [(await scene.ua.send(url.href)).status, (await scene.ua.send(url.href)).location],
    [400, null],
  );
  const refresh = {
    grant_type: 'refresh_token',
    client_id: own.client_id,
    refresh_token: tokens.refresh_token,
  };
  t.deepEqual(
    [(await token(server, refresh)).status, (await token(server, refresh)).body.error],
    [401, 'invalid_client'],
  );
  t.deepEqual(await introspect(server, tokens.access_token), { active: false });
  const put = await manage(server, 'PUT', made, {
    ...wanted,
    client_id,
    token_endpoint_auth_method: 'none',
    blocked: false,
  });
  t.is(put.status, 401);
  t.truthy((await clientRowOf(server, made)).blocked_at);
  await block(own.client_id, false);
  t.is((await token(server, refresh)).status, 200, 'the session goes on afterwards');
});

testOnOwnServers('registered clients survive a change of the signing algorithm', open, async (t, server) => {
  const unsaid = await register(server);
  const { metadata } = await clientRowOf(server, unsaid);
  t.is(metadata.id_token_signed_response_alg, undefined);
  t.is(metadata.introspection_signed_response_alg, undefined);
  const said = await register(server, { ...wanted, id_token_signed_response_alg: 'ES256' });
  const frozen = {
    ...metadata,
    id_token_signed_response_alg: 'PS256',
    introspection_signed_response_alg: 'PS256',
  };
  await server
    .db('clients')
    .where({ client_id: String(said.body.client_id) })
    .update({ metadata: JSON.stringify(frozen) });
  for (const { body } of [unsaid, said]) {
    const client_id = String(body.client_id);
    const auth = oidc.ClientSecretBasic(String(body.client_secret));
    const config = await discover(server, client_id, auth);
    const scene = {
      server,
      config,
      client_id,
      user: await makeUser(server.db),
      ua: openUserAgent(server.url),
    };
    t.is((await logIn(scene)).claims()?.sub, scene.user.id);
  }
});

testOnOwnServers(
  'registrations are limited per address and hour',
  { ...open, RATE_LIMITS: 'memory' },
  async (t, server) => {
    const answers = await Promise.all(Array.from({ length: 22 }, () => register(server)));
    t.is(answers.filter(({ status }) => status === 201).length, 20);
    for (const answer of answers.filter(({ status }) => status !== 201)) {
      assertRefused(t, answer, { status: 429, error: 'rate_limited', reason: 'rate_limited' });
      t.true(Number(answer.headers['retry-after']) > 0);
    }
  },
);
