// Signing keys through the admin API: published before they sign, and published until their last token has expired.
import { setTimeout as sleep } from 'node:timers/promises';
import { jwtVerify } from 'jose';
import { dropExpiredKeys } from '../../../../src/core/keys/signing_keys.ts';
import { type Admin, enterAsAdmin, post, read, trailOf } from '../../../helpers/admin.ts';
import { makeClient } from '../../../helpers/builders.ts';
import { assertRefused, granted, type Json, send } from '../../../helpers/client.ts';
import { loadKeys, removeKeys } from '../../../helpers/keys.ts';
import { isActive, keySetOf, readJwt, refresh, type Tokens, tokensOf } from '../../../helpers/oauth.ts';
import { startTestServer, type TestServer, testOnOwnServers } from '../../../helpers/server.ts';
import { testOnStores } from '../../../helpers/stores.ts';

const byAlg = (a: Pick<Key, 'alg'>, b: Pick<Key, 'alg'>) => a.alg.localeCompare(b.alg);

interface Key {
  kid: string;
  alg: string;
  status: string;
  created_at: string;
  current_at: string | null;
  retiring_at: string | null;
  expires_at: string | null;
}

const tooYoung = { status: 409, error: 'key_too_young' };

async function listKeys(server: TestServer, admin: Admin): Promise<Key[]> {
  return (await read(server, admin, '/keys')).keys as Key[];
}

async function published(server: TestServer): Promise<Json[]> {
  return granted(await send(`${server.url}/jwks`)).keys as Json[];
}

async function rotate(server: TestServer, admin: Admin, json: Json = {}) {
  return await post(server, admin, '/keys/rotate', json);
}

/** Verifies both tokens as a resource server and a client would, with the published keys alone. */
async function verify(server: TestServer, tokens: Tokens): Promise<string[]> {
  const keySet = keySetOf(server);
  const kids: string[] = [];
  for (const token of [tokens.access_token, String(tokens.id_token)]) {
    const { protectedHeader } = await jwtVerify(token, keySet, { issuer: server.issuer });
    kids.push(`${protectedHeader.kid} ${protectedHeader.alg}`);
  }
  return kids;
}

testOnOwnServers(
  'the keys are listed as they are published, without private parts',
  {},
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    const keys = await listKeys(server, admin);
    const [current] = keys;
    const nothing = { retiring_at: null, expires_at: null };
    const current_at = String(current?.current_at);
    t.deepEqual(
      keys.map(({ kid: _, created_at: __, ...key }) => key),
      [
        { alg: 'ES256', status: 'current', current_at, ...nothing },
        { alg: 'RS256', status: 'current', current_at, ...nothing },
        { alg: 'ES256', status: 'upcoming', current_at: null, ...nothing },
        { alg: 'RS256', status: 'upcoming', current_at: null, ...nothing },
      ],
    );
    const jwks = await published(server);
    const ofAlg = [
      ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'],
      ['alg', 'e', 'kid', 'kty', 'n', 'use'],
    ];
    t.deepEqual(
      jwks.map((key) => Object.keys(key).sort()),
      [...ofAlg, ...ofAlg],
    );
    t.deepEqual(
      jwks.map((key) => key.kid),
      keys.map((key) => key.kid),
    );
    t.deepEqual(
      await verify(server, admin.tokens),
      [0, 1].map(() => `${current?.kid} ES256`),
    );
  },
);

testOnOwnServers(
  'a key that verifiers may not know yet does not sign unless forced',
  {},
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    const before = await listKeys(server, admin);
    const [old, other, next] = before;
    const refused = await rotate(server, admin);
    assertRefused(t, refused, tooYoung);
    const [ready] = /\d{4}-\d\d-\d\dT[\d:.]+Z/.exec(String(refused.body.error_description)) ?? [];
    t.is(ready, new Date(Date.parse(String(next?.created_at)) + 900_000).toISOString());
    t.deepEqual(await listKeys(server, admin), before);
    for (const wrong of [{ force: 'yes' }, { alg: 'none' }, { kid: old?.kid }]) {
      assertRefused(t, await rotate(server, admin, wrong), { status: 400, error: 'invalid_request' });
    }
    assertRefused(t, await rotate(server, admin, { force: false }), tooYoung);
    const { keys, ...answer } = granted(await rotate(server, admin, { force: true }));
    t.deepEqual(answer, { kid: next?.kid });
    const began = before.slice(2).map(({ kid, alg }) => ({ kid, alg }));
    t.deepEqual((keys as Key[]).toSorted(byAlg), began);
    const after = await listKeys(server, admin);
    t.deepEqual(
      after.map(({ kid, status }) => `${kid} ${status}`),
      [
        ...[`${next?.kid} current`, `${before[3]?.kid} current`],
        ...[`${after[2]?.kid} upcoming`, `${after[3]?.kid} upcoming`],
        ...[`${old?.kid} retiring`, `${other?.kid} retiring`],
      ],
    );
    t.deepEqual(
      (await published(server)).map((key) => key.kid),
      after.map((key) => key.kid),
    );
    t.deepEqual(
      await verify(server, admin.tokens),
      [0, 1].map(() => `${old?.kid} ES256`),
      'tokens of the old key are valid',
    );
    t.is(await isActive(server, admin.token), true);
    const tokens = tokensOf(await refresh(server, admin.client, admin.tokens.refresh_token));
    t.deepEqual(
      await verify(server, tokens),
      [0, 1].map(() => `${next?.kid} ES256`),
    );
    const [event, ...more] = await trailOf(server, admin, 'type=signing_key_rotated');
    t.like(event, {
      actor: 'admin',
      actor_id: admin.user.id,
      detail: { kid: next?.kid, force: true, keys },
      ip: '127.0.0.1',
    });
    t.deepEqual(more, []);
  },
);

testOnOwnServers(
  'a retiring key stays published until the longest-lived token has expired',
  {},
  async (t, server) => {
    await makeClient(server.db, { access_token_ttl: 7200 });
    await rotate(server, await enterAsAdmin(server), { force: true });
    // Signed with the new key: tokens of the old key are invalid as soon as the server has noticed that the key is gone.
    const admin = await enterAsAdmin(server);
    const retiring = (await listKeys(server, admin)).find((key) => key.status === 'retiring');
    const stays = Date.parse(String(retiring?.expires_at)) - Date.parse(String(retiring?.retiring_at));
    t.true(stays >= 7_200_000, `${stays}`);
    t.is(await dropExpiredKeys(server.db), 0);
    t.is((await published(server)).length, 6);
    const expires_at = new Date(Date.now() - 1);
    await server.db('signing_keys').where({ status: 'retiring' }).update({ expires_at });
    t.is(await dropExpiredKeys(server.db), 2);
    t.deepEqual(
      (await listKeys(server, admin)).map((key) => key.status),
      ['current', 'current', 'upcoming', 'upcoming'],
    );
  },
);

testOnOwnServers('a rotation removes the keys whose last token has expired', {}, async (t, server) => {
  await rotate(server, await enterAsAdmin(server), { force: true });
  const admin = await enterAsAdmin(server);
  const old = (await listKeys(server, admin)).find(({ status }) => status === 'retiring');
  await server
    .db('signing_keys')
    .where({ kid: old?.kid })
    .update({ expires_at: new Date(Date.now() - 1) });
  assertRefused(t, await rotate(server, admin), tooYoung);
  const left = (await listKeys(server, admin)).map((key) => key.kid);
  t.deepEqual([left.length, left.includes(String(old?.kid))], [5, false]);
  t.deepEqual(
    (await published(server)).map((key) => key.kid),
    left,
  );
});

testOnOwnServers('of two simultaneous rotations one rotates', {}, async (t, server) => {
  const admin = await enterAsAdmin(server);
  await server.db('signing_keys').update({ created_at: new Date(Date.now() - 86_400_000) });
  const [, , next] = await listKeys(server, admin);
  const answers = await Promise.all(Array.from({ length: 5 }, () => rotate(server, admin)));
  t.deepEqual(answers.map(({ status }) => status).sort(), [200, 409, 409, 409, 409]);
  for (const answer of answers.filter(({ status }) => status === 409)) assertRefused(t, answer, tooYoung);
  const statuses = (await listKeys(server, admin)).map(({ kid, status }) =>
    kid === next?.kid ? `next ${status}` : status,
  );
  const two = (status: string) => [status, status];
  t.deepEqual(statuses, ['next current', 'current', ...two('upcoming'), ...two('retiring')]);
  t.is((await trailOf(server, admin, 'type=signing_key_rotated')).length, 1);
});

testOnStores(
  'after a change of SIGNING_ALG the new key signs once it has been published long enough',
  async (t, store) => {
    const settings = { ISSUER: 'https://keys.example.test', SIGNING_KEY_LEAD: '1' };
    await removeKeys(store.db);
    await loadKeys(store.db, ['ES256']);
    const admin = await enterAsAdmin(await startTestServer(t, store, settings));
    const server = await startTestServer(t, store, { ...settings, SIGNING_ALG: 'EdDSA' });
    const algs = async () => (await listKeys(server, admin)).map(({ alg, status }) => `${alg} ${status}`);
    t.deepEqual(await algs(), ['ES256 current', 'EdDSA upcoming']);
    t.deepEqual(
      (await published(server)).map((key) => key.alg),
      ['ES256', 'EdDSA'],
    );
    const before = tokensOf(await refresh(server, admin.client, admin.tokens.refresh_token));
    t.is(readJwt(before.access_token).header.alg, 'ES256');
    await sleep(1_000);
    granted(await rotate(server, admin));
    t.deepEqual(await algs(), ['EdDSA current', 'EdDSA upcoming', 'ES256 retiring']);
    const after = tokensOf(await refresh(server, admin.client, before.refresh_token));
    const [current] = await listKeys(server, admin);
    t.deepEqual(
      await verify(server, after),
      [0, 1].map(() => `${current?.kid} EdDSA`),
    );
    for (const token of [admin.token, before.access_token, after.access_token]) {
      t.is(await isActive(server, token), true);
    }
    t.is((await verify(server, before)).length, 2);
  },
);
