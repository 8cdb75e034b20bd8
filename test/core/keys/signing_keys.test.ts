import { importJWK, jwtVerify, SignJWT } from 'jose';
import type { Knex } from 'knex';
import { listSigningKeys, type NamedAlgs, type SigningKey } from '../../../src/core/keys/signing_keys.ts';
import { createKeyring } from '../../../src/lib/crypto.ts';
import { otherSecret, secret } from '../../helpers/builders.ts';
import { loadKeys, removeKeys } from '../../helpers/keys.ts';
import { rowOf } from '../../helpers/rows.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { dumpText, openDatabases } from '../../helpers/tables.ts';

/** The keys of a database that had none. */
async function makeFirst(db: Knex, named: NamedAlgs): Promise<SigningKey[]> {
  await removeKeys(db);
  return await loadKeys(db, named);
}

/** The current and the upcoming key of a database that has no others. */
async function makePair(db: Knex): Promise<[current: SigningKey, upcoming: SigningKey]> {
  const [current, upcoming] = await makeFirst(db, ['ES256']);
  if (!current || !upcoming) throw new Error('a key is missing');
  return [current, upcoming];
}

function described(keys: readonly Pick<SigningKey, 'alg' | 'status'>[]): string[] {
  return keys.map(({ alg, status }) => `${alg} ${status}`);
}

for (const [alg, members] of [
  ['ES256', { kty: 'EC', crv: 'P-256', x: 43, y: 43 }],
  ['EdDSA', { kty: 'OKP', crv: 'Ed25519', x: 43 }],
  ['RS256', { kty: 'RSA', e: 4, n: 342 }],
  ['PS256', { kty: 'RSA', e: 4, n: 342 }],
] as const) {
  testOnStores(
    `the first key signs with ${alg}, its public part is published and its private part is sealed`,
    async (t, { db }) => {
      const keys = await makeFirst(db, [alg]);
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
      t.is(secrets.length, 'n' in public_jwk ? 6 : 1);
      for (const part of secrets) t.false(dump.includes(part));
      t.deepEqual(await loadKeys(db, [alg]), keys, 'a second start makes no other key');
    },
  );
}

testOnStores(
  'a new database gets keys of ES256 and RS256, of which ES256 is the first',
  async (t, { db }) => {
    const expected = ['ES256 current', 'RS256 current', 'ES256 upcoming', 'RS256 upcoming'];
    t.deepEqual(described(await makeFirst(db, null)), expected);
  },
);

testOnStores('nodes that start at once use the same keys, one of each algorithm', async (t, store) => {
  const nodes = await openDatabases(t, store, 3);
  await removeKeys(store.db);
  const loaded = await Promise.all([...nodes, ...nodes].map((node) => loadKeys(node, ['ES256', 'EdDSA'])));
  const last = await loadKeys(store.db, ['ES256', 'EdDSA']);
  t.deepEqual(described(last).toSorted(), [
    'ES256 current',
    'ES256 upcoming',
    'EdDSA current',
    'EdDSA upcoming',
  ]);
  t.is((await store.db('signing_keys')).length, 4);
  for (const keys of loaded) t.deepEqual(keys.slice(0, 2), last.slice(0, 2));
});

testOnStores(
  'a database that has keys keeps its algorithms until the setting names others',
  async (t, { db }) => {
    const before = await makeFirst(db, ['EdDSA']);
    t.deepEqual(described(before), ['EdDSA current', 'EdDSA upcoming']);
    t.deepEqual(await loadKeys(db, null), before);
    t.deepEqual(described(await loadKeys(db, ['ES256', 'EdDSA'])), [
      'EdDSA current',
      'ES256 upcoming',
      'EdDSA upcoming',
    ]);
  },
);

testOnStores(
  'a change of the algorithm applies to the next key, and the current key stays',
  async (t, { db }) => {
    const [current, upcoming] = await makeFirst(db, ['EdDSA']);
    const [still, next, ...more] = await loadKeys(db, ['ES256']);
    t.deepEqual([still, more], [current, []]);
    t.deepEqual([next?.status, next?.alg], ['upcoming', 'ES256']);
    t.not(next?.kid, upcoming?.kid);
  },
);

testOnStores(
  'a key opens with the secret that sealed it, at any position of the list, and with no other',
  async (t, { db }) => {
    const made = await loadKeys(db);
    for (const list of [
      [secret, otherSecret],
      [otherSecret, secret],
    ]) {
      t.deepEqual(await loadKeys(db, null, createKeyring(list)), made);
    }
    await t.throwsAsync(loadKeys(db, null, createKeyring([otherSecret])), {
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
  const [{ kid }] = await makePair(db);
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
    await t.throwsAsync(loadKeys(db), undefined, JSON.stringify(changed).slice(0, 40));
  }
});
