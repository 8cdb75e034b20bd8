// Clients of the FAPI 2.0 profile from every author: administrators, clients that register themselves, documents. And a client whose
// row was changed past the rules, at both entrances.
import test from 'ava';
import { exportJWK } from 'jose';
import { json } from '../../../src/core/store/columns.ts';
import { enterAsAdmin } from '../../helpers/admin.ts';
import { send } from '../../helpers/client.ts';
import { callback } from '../../helpers/code_flow.ts';
import { serveDocument, startWithDocuments } from '../../helpers/document_host.ts';
import { makeKey } from '../../helpers/dpop.ts';
import { ask, codeForm, getCode, makeDpopClient, refreshForm, requestOf } from '../../helpers/fapi.ts';
import { api, introspect, isActive, tokensOf } from '../../helpers/oauth.ts';
import { clientRowOf, manage, register } from '../../helpers/register.ts';
import { makeConfidentialClient } from '../../helpers/resources.ts';
import { rowOf } from '../../helpers/rows.ts';
import { testOnOwnServers, testOnServers } from '../../helpers/server.ts';
import { storeNames } from '../../helpers/stores.ts';
import { openUserAgent } from '../../helpers/user_agent.ts';

const profiled = {
  security_profile: 'fapi2',
  token_endpoint_auth_method: 'private_key_jwt',
  require_pushed_authorization_requests: true,
  require_pkce: true,
  dpop_bound_access_tokens: true,
};

async function wanted() {
  const { publicKey } = await makeKey();
  return {
    client_name: 'Bank',
    redirect_uris: [callback],
    jwks: { keys: [await exportJWK(publicKey)] },
    security_profile: 'fapi2',
  };
}

const refused = { status: 400, error: 'invalid_client_metadata' };

testOnServers(
  'an administrator makes such a client by one member, and cannot weaken it',
  async (t, server) => {
    const { token } = await enterAsAdmin(server);
    const client = await wanted();
    const made = await api(server, 'POST /admin/clients', token, { json: client });
    t.is(made.status, 201, made.text);
    t.like(made.body, profiled);
    t.false('client_secret' in made.body);
    const path = `/admin/clients/${made.body.client_id}`;
    const weak: [object, RegExp][] = [
      [
        { token_endpoint_auth_method: 'client_secret_basic' },
        /^token_endpoint_auth_method: .*private_key_jwt/,
      ],
      [{ dpop_bound_access_tokens: false }, /^dpop_bound_access_tokens: .*bound to one thing/],
      [{ grant_types: ['password'] }, /^grant_types: .*no password/],
      [
        { dpop_bound_access_tokens: null, tls_client_certificate_bound_access_tokens: true },
        /^tls_client_certificate_bound_access_tokens: .*MTLS_CERTIFICATE_HEADER/,
      ],
      [{ jwks: null }, /jwks/],
    ];
    for (const [change, says] of weak) {
      for (const attempt of [
        () => api(server, `PATCH ${path}`, token, { json: change }),
        () => api(server, 'POST /admin/clients', token, { json: withoutNulls({ ...client, ...change }) }),
      ]) {
        const { status, body } = await attempt();
        t.deepEqual({ status, error: body.error }, refused, JSON.stringify(change));
        t.regex(String(body.error_description), says);
      }
    }
    t.like((await api(server, `GET ${path}`, token)).body, profiled);
  },
);

function withoutNulls(members: object): object {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null));
}

testOnServers(
  'a client with certificates can still be renamed and blocked when no proxy forwards them any more',
  async (t, server) => {
    const { token } = await enterAsAdmin(server);
    const { body } = await api(server, 'POST /admin/clients', token, { json: await wanted() });
    const client_id = String(body.client_id);
    const row = await rowOf(server.db('clients').where({ client_id }).first());
    const { dpop_bound_access_tokens: _proofs, ...others } = row.metadata;
    const metadata = json({ ...others, tls_client_certificate_bound_access_tokens: true });
    await server.db('clients').where({ client_id }).update({ metadata });
    for (const change of [{ client_name: 'Bank of Ada' }, { blocked: true }]) {
      const changed = await api(server, `PATCH /admin/clients/${client_id}`, token, { json: change });
      t.is(changed.status, 200, changed.text);
      t.like(changed.body, change);
    }
  },
);

testOnOwnServers(
  'a client registers itself with the profile, and cannot weaken it',
  { REGISTRATION: 'open' },
  async (t, server) => {
    const client = await wanted();
    const made = await register(server, client);
    t.is(made.status, 201, made.text);
    t.like(made.body, profiled);
    t.like((await manage(server, 'GET', made)).body, profiled);
    t.like((await clientRowOf(server, made)).metadata, profiled);
    const weak: [object, RegExp][] = [
      [{ token_endpoint_auth_method: 'none' }, /^token_endpoint_auth_method: /],
      [{ require_pkce: false }, /^require_pkce: /],
      [{ token_endpoint_auth_signing_alg: 'RS256' }, /^token_endpoint_auth_signing_alg: /],
      [{ tls_client_certificate_bound_access_tokens: true }, /^tls_client_certificate_bound_access_tokens: /],
      [{ security_profile: 'fapi3' }, /^security_profile: /],
    ];
    const { client_id } = made.body;
    for (const [change, says] of weak) {
      for (const { status, body } of [
        await register(server, { ...client, ...change }),
        await manage(server, 'PUT', made, { ...client, client_id, ...change }),
      ]) {
        t.deepEqual({ status, error: body.error }, refused, JSON.stringify(change));
        t.regex(String(body.error_description), says);
      }
    }
    t.like((await clientRowOf(server, made)).metadata, profiled);
  },
);

for (const name of storeNames) {
  test(`a document names the profile, and contradictions in it are refused (${name})`, async (t) => {
    const server = await startWithDocuments(t, name);
    const client = await wanted();
    const ua = openUserAgent(server.url);
    const open = async (more: object) => {
      const { client_id } = await serveDocument(t, more);
      const query = new URLSearchParams(requestOf({ client_id }) as Record<string, string>);
      return await ua.send(`${server.url}/authorize?${query}`);
    };
    const unnamed = { ...client, token_endpoint_auth_method: undefined };
    const plain = await open(unnamed);
    const said = new URL(plain.location ?? '').searchParams.get('error_description');
    t.is(said, 'Pushed Authorization Request must be used');
    const weak = await open({ ...client, token_endpoint_auth_method: 'none' });
    t.deepEqual([weak.status, weak.location], [400, null]);
    t.regex(weak.text, /token_endpoint_auth_method: security_profile fapi2 needs private_key_jwt/);
  });
}

testOnServers('what a row says against its profile is not obeyed at either entrance', async (t, server) => {
  const client = await makeDpopClient(server, { resource_server: '*' });
  const { client_id } = client;
  const row = await rowOf(server.db('clients').where({ client_id }).first());
  const tokens = tokensOf(await ask(client, codeForm(await getCode(client))));
  const weaken = async (change: object) => {
    const metadata = json({
      ...row.metadata,
      require_pushed_authorization_requests: false,
      dpop_bound_access_tokens: false,
      ...change,
    });
    await server.db('clients').where({ client_id }).update({ metadata });
  };
  await weaken({});
  const query = new URLSearchParams(requestOf(client) as Record<string, string>);
  const plain = await client.ua.send(`${server.url}/authorize?${query}`);
  t.is(new URL(plain.location ?? '').searchParams.get('error'), 'invalid_request');
  t.is((await ask(client, refreshForm(tokens.refresh_token), { headers: {} })).body.error, 'invalid_grant');
  const other = await makeConfidentialClient(server);
  const { client_secret } = other;
  const { secrets } = await rowOf(server.db('clients').where({ client_id: other.client_id }).first());
  await server
    .db('clients')
    .where({ client_id })
    .update({ secrets: json(secrets) });
  const direct = { ...refreshForm(tokens.refresh_token), client_id, token: tokens.access_token };
  for (const [method, credentials] of [
    ['none', {}],
    ['client_secret_post', { client_secret }],
  ] as const) {
    await weaken({ token_endpoint_auth_method: method });
    for (const path of ['/token', '/introspect', '/revoke', '/par']) {
      const headers = await client.prove(server.url + path);
      const form = { ...requestOf(client), ...direct, ...credentials };
      const answer = await send(server.url + path, { form, headers });
      t.deepEqual([answer.status, answer.body.error], [401, 'invalid_client'], `${method} ${path}`);
    }
  }
  t.true(await isActive(server, tokens.access_token));
});

testOnServers('a client that joins the profile keeps no unbound token', async (t, server) => {
  const { token } = await enterAsAdmin(server);
  const client = await makeDpopClient(server, { security_profile: undefined });
  const { client_id } = client;
  const before = tokensOf(await ask(client, codeForm(await getCode(client)), { headers: {} }));
  t.is((await introspect(server, before.access_token)).token_type, 'Bearer');
  const joined = await api(server, `PATCH /admin/clients/${client_id}`, token, {
    json: { security_profile: 'fapi2' },
  });
  t.is(joined.status, 200, joined.text);
  t.like(joined.body, profiled);
  t.false(await isActive(server, before.access_token));
  t.is((await ask(client, refreshForm(before.refresh_token), { headers: {} })).body.error, 'invalid_grant');
  t.is(tokensOf(await ask(client, refreshForm(before.refresh_token))).token_type, 'DPoP');
});
