// Requests at the token endpoints as client libraries write them: other spellings of what the RFCs define, which both entrances take.
import type { ExecutionContext } from 'ava';
import { createResourceServer } from '../../src/core/clients/resource_servers.ts';
import { makeClient, makeUser, password } from '../helpers/builders.ts';
import { assertRefused, granted, send } from '../helpers/client.ts';
import { api, introspect, login, readJwt, refresh, token, tokensOf } from '../helpers/oauth.ts';
import { makeConfidentialClient } from '../helpers/resources.ts';
import { gateway, registerGateway, type TestServer } from '../helpers/server.ts';
import { type Store, testOnStores } from '../helpers/stores.ts';
import { issuer, openPair, ownApi } from '../helpers/twins.ts';

const unauthorized = { status: 401, error: 'invalid_client' };
const invalid = { status: 400, error: 'invalid_request' };

/** A server with the direct entrance, and one without. */
async function openBoth(t: ExecutionContext, store: Store): Promise<TestServer[]> {
  const { fast, engine } = await openPair(t, store);
  const stop = async () => {};
  const direct = await registerGateway(store, { url: fast.url, issuer, stop });
  return [direct, await registerGateway(store, { url: engine.url, issuer, stop })];
}

const basic = (credentials: string, scheme = 'Basic ') => ({
  headers: { Authorization: `${scheme}${Buffer.from(credentials).toString('base64')}` },
});

testOnStores('a public client may send an empty password, and no other one', async (t, store) => {
  const { client_id } = await makeClient(store.db, {
    grant_types: ['password', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  });
  const confidential = await makeConfidentialClient(store);
  const user = await makeUser(store.db);
  for (const server of await openBoth(t, store)) {
    const named = basic(`${client_id}:`);
    const form = { grant_type: 'password', username: user.username, password };
    const { refresh_token } = tokensOf(await token(server, form, named));
    const next = tokensOf(
      await token(server, { grant_type: 'refresh_token', client_id, refresh_token }, named),
    );
    for (const path of ['/device/authorize', '/par']) {
      const asked = path === '/par' ? { response_type: 'none' } : { scope: 'openid' };
      const { status, body } = await send(`${server.url}${path}`, { form: asked, ...named });
      t.not(body.error, 'invalid_client', `${path}: ${status}`);
    }
    t.is((await send(`${server.url}/revoke`, { form: { token: next.refresh_token }, ...named })).status, 200);
    assertRefused(t, await refresh(server, { client_id }, next.refresh_token), {
      ...{ status: 400, error: 'invalid_grant', reason: 'session_ended' },
    });
    const asks = await send(`${server.url}/introspect`, { form: { token: next.access_token }, ...named });
    assertRefused(t, asks, unauthorized);
    assertRefused(t, await token(server, form, basic(`${client_id}:wrong`)), unauthorized);
    assertRefused(t, await token(server, { ...form, client_id: 'another' }, named), invalid);
    const secretless = await token(server, form, basic(`${confidential.client_id}:`));
    assertRefused(t, secretless, unauthorized, 'a secret is not empty');
    t.regex(String(secretless.headers['www-authenticate']), /^Basic realm="/);
    const unnamed = await token(server, { ...form, client_id: confidential.client_id });
    t.is(unnamed.headers['www-authenticate'], undefined, 'no challenge without the header');
  }
});

testOnStores('a secret is taken form-encoded or as it is, and another one is not', async (t, store) => {
  const secrets = [
    'a+secret+with+plus/and=more+of-it',
    '100%-a-secret-with-percent-signs-%zz',
    'a%2Bsecret%20that-looks-encoded-already',
  ];
  const user = await makeUser(store.db);
  const servers = await openBoth(t, store);
  for (const client_secret of secrets) {
    const { client_id } = await makeClient(store.db, {
      client_secret,
      token_endpoint_auth_method: 'client_secret_basic',
    });
    const form = { grant_type: 'password', username: user.username, password };
    for (const server of servers) {
      const sent = [
        client_secret,
        encodeURIComponent(client_secret),
        new URLSearchParams({ '': client_secret }).toString().slice(1),
      ];
      for (const one of sent) tokensOf(await token(server, form, basic(`${client_id}:${one}`)));
      for (const wrong of [
        `${client_secret}x`,
        `${encodeURIComponent(client_secret)}%`,
        encodeURIComponent(encodeURIComponent(`${client_secret}+`)),
      ])
        assertRefused(t, await token(server, form, basic(`${client_id}:${wrong}`)), unauthorized, wrong);
    }
  }
});

testOnStores(
  'schemes, types and values are read in any letter case and with space around them',
  async (t, store) => {
    const client = await makeConfidentialClient(store);
    const user = await makeUser(store.db);
    for (const server of await openBoth(t, store)) {
      const form = { grant_type: 'password', username: user.username, password, scope: '' };
      for (const scheme of ['basic ', 'BASIC ', 'Basic  '])
        tokensOf(await token(server, form, basic(`${client.client_id}:${client.client_secret}`, scheme)));
      const { access_token, refresh_token } = tokensOf(
        await login(server, user, client, { scope: ' openid  account\n' }),
      );
      const spaced = {
        grant_type: 'refresh_token ',
        ...client,
        refresh_token: `${refresh_token}\n`,
        scope: 'account ',
      };
      for (const type of [
        'Application/X-WWW-Form-URLEncoded',
        'application/x-www-form-urlencoded;charset=utf-8',
        'application/x-www-form-urlencoded; charset="UTF-8"',
      ]) {
        const next = tokensOf(await token(server, spaced, { headers: { 'Content-Type': type } }));
        spaced.refresh_token = ` ${next.refresh_token}`;
      }
      t.is((await introspect(server, `${access_token} `)).active, true);
      t.is((await introspect(server, access_token, gateway, { token_type_hint: 'jwt' })).active, true);
      for (const scheme of ['bearer', 'BEARER'])
        for (const path of ['/api/me', '/userinfo'])
          t.is(
            (await send(`${server.url}${path}`, { headers: { Authorization: `${scheme} ${access_token}` } }))
              .status,
            200,
          );
      const exact = await token(server, { ...form, password: `${password} `, ...client });
      assertRefused(
        t,
        exact,
        { status: 400, error: 'invalid_grant' },
        'every character of a password counts',
      );
      const extra = await token(server, {
        ...form,
        ...client,
        audience: 'https://elsewhere.example',
        resource: '',
      });
      t.is(
        readJwt(tokensOf(extra).access_token).claims.aud,
        ownApi,
        'audience is ignored, an empty resource is none',
      );
    }
  },
);

testOnStores('an equivalent spelling of a resource means the registered one', async (t, store) => {
  const identifier = 'https://orders.example';
  await createResourceServer(store.db, { identifier, scope: 'orders:read' });
  await createResourceServer(store.db, { identifier: 'http://Two.example:80/', scope: 'orders:read' });
  await createResourceServer(store.db, { identifier: 'http://two.example/', scope: 'orders:read' });
  const client = await makeClient(store.db);
  const user = await makeUser(store.db);
  const machine = await makeConfidentialClient(store, {
    ...{ scope: 'orders:read', grant_types: ['client_credentials'] },
  });
  for (const server of await openBoth(t, store)) {
    const scope = 'orders:read';
    for (const resource of [
      identifier,
      `${identifier}/`,
      'https://ORDERS.example:443',
      'HTTPS://orders.example:/',
      ` ${identifier}/`,
    ]) {
      const tokens = tokensOf(await login(server, user, client, { resource, scope }));
      t.is(readJwt(tokens.access_token).claims.aud, identifier, resource);
      const next = tokensOf(await refresh(server, client, tokens.refresh_token, { resource }));
      t.is(readJwt(next.access_token).claims.aud, identifier, resource);
      const own = tokensOf(
        await token(server, { grant_type: 'client_credentials', ...machine, scope, resource }),
      );
      t.is(readJwt(own.access_token).claims.aud, identifier, resource);
    }
    const others = [
      'https://orders.example/v1',
      'https://orders.example:8443',
      'http://orders.example',
      'https://orders.example//',
      'https://x@orders.example',
      'https://orders.example/?',
      'HTTP://two.example',
    ];
    for (const resource of others) {
      const refused = await login(server, user, client, { resource, scope });
      assertRefused(t, refused, { status: 400, error: 'invalid_target' }, resource);
    }
    for (const resource of ['http://Two.example:80/', 'http://two.example/'])
      t.is(
        readJwt(tokensOf(await login(server, user, client, { resource, scope })).access_token).claims.aud,
        resource,
      );
    const own = tokensOf(await login(server, user, client, { resource: ownApi.replace('https:', 'HTTPS:') }));
    t.is(granted(await api(server, 'GET /me', own.access_token)).id, user.id);
  }
});
