// Malformed requests: each is refused in the one shape of errors with the right status, and no session suffers from it.

import { gzipSync } from 'node:zlib';
import { attack } from '../../helpers/attack.ts';
import { assertRefused, type Refusal, type RequestOptions, send } from '../../helpers/client.ts';
import { api, token } from '../../helpers/oauth.ts';
import { rowOf } from '../../helpers/rows.ts';
import { gateway, testOnServers } from '../../helpers/server.ts';

const invalid: Refusal = { status: 400, error: 'invalid_request' };
const tooLarge: Refusal = { status: 413, error: 'invalid_request' };
const wrongType: Refusal = { status: 415, error: 'invalid_request' };
const formType = { 'Content-Type': 'application/x-www-form-urlencoded' };
const jsonType = { 'Content-Type': 'application/json' };

const formPaths = ['/token', '/introspect', '/revoke'];

testOnServers('bodies of another content type are refused', async (t, server) => {
  await attack(t, server, async ({ client, tokens }) => {
    const form = `grant_type=refresh_token&client_id=${client.client_id}&refresh_token=${tokens.refresh_token}`;
    const json = JSON.stringify(Object.fromEntries(new URLSearchParams(form)));
    const questions: RequestOptions[] = [
      { body: json, headers: jsonType },
      { body: form, headers: { 'Content-Type': 'text/plain' } },
      { body: form, headers: { 'Content-Type': 'multipart/form-data; boundary=x' } },
      { body: form, headers: { 'Content-Type': 'nonsense' } },
      { body: form },
      { body: gzipSync(form), headers: { ...formType, 'Content-Encoding': 'gzip' } },
      { body: '', headers: formType },
      { body: '&&&===&', headers: formType },
      { method: 'POST' },
    ];
    for (const path of formPaths) {
      for (const question of questions) {
        const message = `${path} ${JSON.stringify(question.headers)}`;
        assertRefused(t, await send(server.url + path, question), invalid, message);
      }
      const query = await send(`${server.url}${path}?${form}&token=${tokens.refresh_token}`, { form: {} });
      assertRefused(t, query, invalid, 'parameters in the query are none');
    }
  });
});

testOnServers('parameters that occur twice are refused', async (t, server) => {
  await attack(t, server, async ({ client, tokens }) => {
    const { client_id } = client;
    const twice = ['refresh_token', 'client_id', 'grant_type', 'scope'];
    const form = {
      grant_type: 'refresh_token',
      client_id,
      refresh_token: tokens.refresh_token,
      scope: 'account',
    };
    for (const name of twice) {
      const value = form[name as keyof typeof form];
      assertRefused(t, await token(server, { ...form, [name]: [value, value] }), invalid, name);
    }
    for (const path of ['/introspect', '/revoke']) {
      for (const name of ['token', 'token_type_hint', 'client_id', 'client_secret']) {
        const given = { ...gateway, token: tokens.access_token, token_type_hint: 'access_token' };
        const value = given[name as keyof typeof given];
        const answer = await send(server.url + path, { form: { ...given, [name]: [value, value] } });
        assertRefused(t, answer, invalid, `${path} ${name}`);
      }
    }
  });
});

testOnServers('a body over the limit is refused, with and without Content-Length', async (t, server) => {
  await attack(t, server, async ({ client, tokens }) => {
    const long = 'x'.repeat(60_000);
    const form = `client_id=${client.client_id}&grant_type=refresh_token&refresh_token=${tokens.refresh_token}&x=${long}`;
    for (const path of formPaths) {
      const announced = await send(server.url + path, { body: form, headers: formType });
      assertRefused(t, announced, tooLarge, path);
      const streamed = await send(server.url + path, { body: form, headers: formType, chunked: true });
      assertRefused(t, streamed, tooLarge, `${path} in pieces`);
    }
    const json = JSON.stringify({ username: long });
    for (const chunked of [false, true]) {
      const question = { body: json, headers: jsonType, chunked };
      assertRefused(t, await api(server, 'PATCH /me', tokens.access_token, question), tooLarge);
    }
    const bomb = gzipSync(JSON.stringify({ username: 'x'.repeat(5_000_000) }));
    const headers = { ...jsonType, 'Content-Encoding': 'gzip' };
    assertRefused(t, await api(server, 'PATCH /me', tokens.access_token, { body: bomb, headers }), tooLarge);
  });
});

testOnServers('invalid JSON, and JSON of another shape, is refused', async (t, server) => {
  await attack(t, server, async ({ user, tokens }) => {
    const broken = [
      '{',
      '{"username":}',
      "{'username':'x'}",
      'null',
      '"x"',
      '1',
      'undefined',
      '[]',
      '[{}]',
      '{} {}',
    ];
    const wrong = [
      '{"unknown":1}',
      '{"__proto__":{"admin":true}}',
      '{"constructor":{"prototype":{}}}',
      '{"toString":"x"}',
      '{"username":1}',
      '{"username":null}',
      '{"username":["x"]}',
      '{"username":""}',
      '{"username":"a\\u0000b"}',
      '{"username":"a\\ud800b"}',
      '{"username":"a b"}',
      '{"email":"no address"}',
      `{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}`,
    ];
    for (const body of [...broken, ...wrong]) {
      const answer = await api(server, 'PATCH /me', tokens.access_token, { body, headers: jsonType });
      assertRefused(t, answer, invalid, body.slice(0, 60));
    }
    const others = ['text/plain', 'application/x-www-form-urlencoded', 'application/xml', 'nonsense'];
    for (const type of [...others, 'application/json-patch+json']) {
      const question = { body: '{"username":"x-y-z"}', headers: { 'Content-Type': type } };
      assertRefused(t, await api(server, 'PATCH /me', tokens.access_token, question), wrongType, type);
    }
    const untyped = await api(server, 'PATCH /me', tokens.access_token, { body: '{}' });
    assertRefused(t, untyped, wrongType, 'without a content type');
    const { username } = await rowOf(server.db('users').where({ id: user.id }).first());
    t.is(username, user.username);
    t.is(({} as { admin?: boolean }).admin, undefined);
  });
});

testOnServers(
  'bytes that are not UTF-8 are refused or match nothing, and are never stored',
  async (t, server) => {
    await attack(t, server, async ({ client, user, tokens }) => {
      const bad = Buffer.from([0xff, 0xfe, 0xc0, 0xaf]);
      const inJson = Buffer.concat([Buffer.from('{"username":"x'), bad, Buffer.from('"}')]);
      const patched = await api(server, 'PATCH /me', tokens.access_token, {
        body: inJson,
        headers: jsonType,
      });
      assertRefused(t, patched, invalid);

      const login = `grant_type=password&client_id=${client.client_id}&password=correct+horse+battery+staple`;
      const known = `${login}&username=${user.username}&device_id=d`;
      for (const bytes of [bad, Buffer.from('%ff%fe'), Buffer.from('%ed%a0%80'), Buffer.from('%00')]) {
        const named = Buffer.concat([Buffer.from(known), bytes]);
        assertRefused(t, await send(`${server.url}/token`, { body: named, headers: formType }), invalid);
        const nobody = Buffer.concat([Buffer.from(`${login}&username=x`), bytes]);
        const refused = await send(`${server.url}/token`, { body: nobody, headers: formType });
        assertRefused(t, refused, { status: 400, error: 'invalid_grant' });
        const client_id = Buffer.concat([Buffer.from('grant_type=password&client_id='), bytes]);
        const unknown = await send(`${server.url}/token`, { body: client_id, headers: formType });
        assertRefused(t, unknown, { status: 401, error: 'invalid_client' });
      }
      t.is((await server.db('devices').where({ user_id: user.id })).length, 0);
    });
  },
);
