import { importJWK, jwtVerify, SignJWT } from 'jose';
import type { Knex } from 'knex';
import {
  dropExpiredKeys,
  listSigningKeys,
  loadSigningKeys,
  rotateSigningKeys,
  type SigningKey,
} from '../../../src/core/keys/signing_keys.ts';
import { createKeyring } from '../../../src/lib/crypto.ts';
import { keyring, otherSecret, secret } from '../../helpers/builders.ts';
import { rowOf } from '../../helpers/rows.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { dumpText, openDatabases } from '../../helpers/tables.ts';

function statuses(keys: SigningKey[]): string[] {
  return keys.map((key) => key.status);
}

/** The first two keys of a list, as `loadSigningKeys` gives them: the current one and the upcoming one. */
async function loadPair(db: Knex): Promise<[current: SigningKey, upcoming: SigningKey]> {
  const [current, upcoming] = await loadSigningKeys(db, keyring, 'ES256');
  if (!current || !upcoming) throw new Error('a key is missing');
  return [current, upcoming];
}

for (const [alg, members] of [
  ['ES256', { kty: 'EC', crv: 'P-256', x: 43, y: 43 }],
  ['EdDSA', { kty: 'OKP', crv: 'Ed25519', x: 43 }],
  ['RS256', { kty: 'RSA', e: 4, n: 342 }],
] as const) {
  testOnStores(
    `the first key signs with ${alg}, its public part is published and its private part is sealed`,
    async (t, { db }) => {
      const keys = await loadSigningKeys(db, keyring, alg);
      t.deepEqual(
        keys.map((one) => [one.status, one.alg]),
        [
          ['current', alg],
          ['upcoming', alg],
        ],
      );
      const [key] = keys;
      if (!key) throw new Error('there is no key');
      const { kid, public_jwk, private_jwk } = key;
      t.deepEqual(
        { ...key, kid, public_jwk, private_jwk },
        { kid, alg, status: 'current', public_jwk, private_jwk },
      );
      const shape = Object.fromEntries(
        Object.entries(public_jwk).map(([name, value]) => [
          name,
          name.length === 1 ? String(value).length : value,
        ]),
      );
      t.deepEqual(shape, { ...members, kid, alg, use: 'sig' });

      const jwt = await new SignJWT({ hello: 'world' })
        .setProtectedHeader({ alg, kid })
        .sign(await importJWK(private_jwk, alg));
      t.is((await jwtVerify(jwt, await importJWK(public_jwk, alg))).payload.hello, 'world');

      const dump = await dumpText(db);
      const secrets = (['d', 'p', 'q', 'dp', 'dq', 'qi'] as const).flatMap((name) => private_jwk[name] ?? []);
      t.is(secrets.length, alg === 'RS256' ? 6 : 1);
      for (const part of secrets) t.false(dump.includes(part));
      t.deepEqual(await loadSigningKeys(db, keyring, alg), keys, 'a second start makes no other key');
    },
  );
}

testOnStores('nodes that start at once use the same keys', async (t, store) => {
  const nodes = await openDatabases(t, store, 3);
  const starts = [...nodes, ...nodes].map((node) => loadSigningKeys(node, keyring, 'ES256'));
  const loaded = await Promise.all(starts);
  const last = await loadSigningKeys(store.db, keyring, 'ES256');
  t.deepEqual(statuses(last), ['current', 'upcoming']);
  t.is((await store.db('signing_keys')).length, 2);
  for (const keys of loaded) t.deepEqual(keys[0], last[0]);
});

testOnStores(
  'a change of the algorithm applies to the next key, and the current key stays',
  async (t, { db }) => {
    const [current, upcoming] = await loadSigningKeys(db, keyring, 'EdDSA');
    const [still, next, ...more] = await loadSigningKeys(db, keyring, 'ES256');
    t.deepEqual([still, more], [current, []]);
    t.deepEqual([next?.status, next?.alg], ['upcoming', 'ES256']);
    t.not(next?.kid, upcoming?.kid);
  },
);

testOnStores(
  'a key opens with the secret that sealed it, at any position of the list, and with no other',
  async (t, { db }) => {
    const made = await loadSigningKeys(db, keyring, 'ES256');
    for (const list of [
      [secret, otherSecret],
      [otherSecret, secret],
    ]) {
      t.deepEqual(await loadSigningKeys(db, createKeyring(list), 'ES256'), made);
    }
    await t.throwsAsync(loadSigningKeys(db, createKeyring([otherSecret]), 'ES256'), {
      message: /KINDRED_SECRET/,
    });
    t.deepEqual(
      (await listSigningKeys(db)).map((key) => key.kid),
      made.map((key) => key.kid),
      'and no new key takes its place',
    );
  },
);

testOnStores('a sealed key that was moved or changed does not open', async (t, { db }) => {
  const [{ kid }] = await loadPair(db);
  const { private_jwk_sealed: sealed } = await rowOf(db('signing_keys').where({ kid }).first());
  for (const changed of [
    { private_jwk_sealed: `${sealed.slice(0, 60)}${sealed[60] === 'A' ? 'B' : 'A'}${sealed.slice(61)}` },
    { private_jwk_sealed: sealed.slice(0, -4) },
    { private_jwk_sealed: '' },
    { private_jwk_sealed: sealed, kid: 'another' },
  ]) {
    await db('signing_keys')
      .where({ status: 'current' })
      .update({ kid, ...changed });
    await t.throwsAsync(
      loadSigningKeys(db, keyring, 'ES256'),
      undefined,
      JSON.stringify(changed).slice(0, 40),
    );
  }
});

const rotation = { alg: 'ES256', lead: 3_600, longest_token_ttl: 900 } as const;

testOnStores(
  'an upcoming key signs once it has been published for long enough, or when the rotation is forced',
  async (t, { db }) => {
    const [old, next] = await loadPair(db);
    const { created_at } = await rowOf(db('signing_keys').where({ kid: next.kid }).first());
    const ready_at = new Date(created_at.getTime() + 3_600_000);
    t.deepEqual(await rotateSigningKeys(db, keyring, rotation), { outcome: 'too_young', ready_at });
    t.deepEqual(statuses(await loadSigningKeys(db, keyring, 'ES256')), ['current', 'upcoming']);

    const rotated = { outcome: 'rotated', kid: next.kid } as const;
    t.deepEqual(await rotateSigningKeys(db, keyring, { ...rotation, force: true }), rotated);
    const keys = await loadSigningKeys(db, keyring, 'ES256');
    t.deepEqual(statuses(keys).toSorted(), ['current', 'retiring', 'upcoming']);
    t.deepEqual(keys[0], { ...next, status: 'current' });
    t.deepEqual(
      keys.find((key) => key.status === 'retiring'),
      { ...old, status: 'retiring' },
    );

    const { retiring_at, expires_at } = await rowOf(db('signing_keys').where({ status: 'retiring' }).first());
    t.is(Number(expires_at) - Number(retiring_at), 900_000);
    t.is(await dropExpiredKeys(db), 0, 'tokens that it signed have not expired');
    await db('signing_keys')
      .where({ status: 'retiring' })
      .update({ expires_at: new Date(Date.now() - 1) });
    t.is(await dropExpiredKeys(db), 1);
    t.deepEqual(statuses(await loadSigningKeys(db, keyring, 'ES256')), ['current', 'upcoming']);
  },
);

testOnStores('of several nodes that rotate at once, one does', async (t, store) => {
  const nodes = await openDatabases(t, store, 3);
  await loadSigningKeys(store.db, keyring, 'ES256');
  await store.db('signing_keys').update({ created_at: new Date(Date.now() - 7_200_000) });
  const outcomes = await Promise.all(
    [...nodes, ...nodes].map(async (node) => (await rotateSigningKeys(node, keyring, rotation)).outcome),
  );
  t.is(outcomes.filter((outcome) => outcome === 'rotated').length, 1);
  const keys = await listSigningKeys(store.db);
  t.deepEqual(keys.map((key) => key.status).toSorted(), ['current', 'retiring', 'upcoming']);
});
