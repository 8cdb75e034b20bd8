// The rotation of the keys of all algorithms: which keys move, which stay, and what verifiers see of it.
import type { Knex } from 'knex';
import { type KeyRotation, planRotation, rotateSigningKeys } from '../../../src/core/keys/rotate_keys.ts';
import {
  dropExpiredKeys,
  listSigningKeys,
  type NamedAlgs,
  type SigningAlg,
} from '../../../src/core/keys/signing_keys.ts';
import { keyring } from '../../helpers/builders.ts';
import { loadKeys, removeKeys } from '../../helpers/keys.ts';
import { rowOf } from '../../helpers/rows.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { openDatabases } from '../../helpers/tables.ts';

const rotation = { algs: ['ES256'], lead: 3_600, longest_token_ttl: 900 } as const satisfies KeyRotation;
const both: SigningAlg[] = ['ES256', 'EdDSA'];

async function start(db: Knex, algs: NamedAlgs): Promise<void> {
  await removeKeys(db);
  await loadKeys(db, algs);
}

/** Makes the upcoming key of an algorithm old enough to sign. */
async function age(db: Knex, alg: SigningAlg): Promise<void> {
  const created_at = new Date(Date.now() - 7_200_000);
  await db('signing_keys').where({ alg, status: 'upcoming' }).update({ created_at });
}

async function states(db: Knex): Promise<string[]> {
  return (await listSigningKeys(db)).map(({ alg, status }) => `${alg} ${status}`).toSorted();
}

async function kidOf(db: Knex, alg: SigningAlg, status: 'current' | 'upcoming'): Promise<string> {
  return (await rowOf(db('signing_keys').where({ alg, status }).first())).kid;
}

testOnStores(
  'an upcoming key signs once it has been published for long enough, or when the rotation is forced',
  async (t, { db }) => {
    await start(db, ['ES256']);
    const [old, next] = [await kidOf(db, 'ES256', 'current'), await kidOf(db, 'ES256', 'upcoming')];
    const { created_at } = await rowOf(db('signing_keys').where({ kid: next }).first());
    const ready_at = new Date(created_at.getTime() + 3_600_000);
    t.deepEqual(await rotateSigningKeys(db, keyring, rotation), { outcome: 'too_young', ready_at });
    t.deepEqual(await states(db), ['ES256 current', 'ES256 upcoming']);

    const rotated = { outcome: 'rotated', kid: next, keys: [{ kid: next, alg: 'ES256' }] } as const;
    t.deepEqual(await rotateSigningKeys(db, keyring, { ...rotation, force: true }), rotated);
    t.deepEqual(await states(db), ['ES256 current', 'ES256 retiring', 'ES256 upcoming']);
    t.is(await kidOf(db, 'ES256', 'current'), next);

    const retiring = await rowOf(db('signing_keys').where({ status: 'retiring' }).first());
    t.is(retiring.kid, old);
    t.is(Number(retiring.expires_at) - Number(retiring.retiring_at), 900_000);
    t.is(await dropExpiredKeys(db), 0, 'tokens that it signed have not expired');
    await db('signing_keys')
      .where({ status: 'retiring' })
      .update({ expires_at: new Date(Date.now() - 1) });
    t.is(await dropExpiredKeys(db), 1);
    t.deepEqual(await states(db), ['ES256 current', 'ES256 upcoming']);
  },
);

testOnStores('of several nodes that rotate at once, one does, for every algorithm', async (t, store) => {
  const nodes = await openDatabases(t, store, 3);
  await start(store.db, both);
  for (const alg of both) await age(store.db, alg);
  const outcomes = await Promise.all(
    [...nodes, ...nodes].map(
      async (node) => (await rotateSigningKeys(node, keyring, { ...rotation, algs: both })).outcome,
    ),
  );
  t.is(outcomes.filter((outcome) => outcome === 'rotated').length, 1);
  const ofEach = ['current', 'retiring', 'upcoming'].flatMap((status) =>
    both.map((alg) => `${alg} ${status}`),
  );
  t.deepEqual(await states(store.db), ofEach.toSorted());
});

testOnStores(
  'a rotation moves the algorithms whose upcoming key is old enough, and is too young only where none is',
  async (t, { db }) => {
    await start(db, both);
    const kid = await kidOf(db, 'ES256', 'current');
    const next = await kidOf(db, 'EdDSA', 'upcoming');
    await age(db, 'EdDSA');
    const once = await rotateSigningKeys(db, keyring, { ...rotation, algs: both });
    t.deepEqual(once, { outcome: 'rotated', kid, keys: [{ kid: next, alg: 'EdDSA' }] });
    t.deepEqual(await states(db), [
      'ES256 current',
      'ES256 upcoming',
      'EdDSA current',
      'EdDSA retiring',
      'EdDSA upcoming',
    ]);
    t.is((await rotateSigningKeys(db, keyring, { ...rotation, algs: both })).outcome, 'too_young');
  },
);

testOnStores(
  'an algorithm that came is published at once and signs when it is old enough; one that left retires with the next rotation',
  async (t, { db }) => {
    await start(db, ['ES256']);
    await loadKeys(db, both);
    const changed = { ...rotation, algs: both };
    t.deepEqual(await states(db), ['ES256 current', 'ES256 upcoming', 'EdDSA upcoming']);
    t.false((await planRotation(db, changed)).isAlgWaiting);
    await age(db, 'EdDSA');
    t.true((await planRotation(db, changed)).isAlgWaiting);
    t.is((await rotateSigningKeys(db, keyring, changed)).outcome, 'rotated');
    t.false((await planRotation(db, changed)).isAlgWaiting);
    t.deepEqual(await states(db), ['ES256 current', 'ES256 upcoming', 'EdDSA current', 'EdDSA upcoming']);

    await loadKeys(db, ['EdDSA']);
    t.deepEqual(await states(db), ['ES256 current', 'EdDSA current', 'EdDSA upcoming']);
    const left = { ...rotation, algs: ['EdDSA'] as const };
    t.is((await rotateSigningKeys(db, keyring, left)).outcome, 'too_young');
    t.deepEqual(
      await states(db),
      ['ES256 current', 'EdDSA current', 'EdDSA upcoming'],
      'nothing retires alone',
    );
    const next = await kidOf(db, 'EdDSA', 'upcoming');
    const rotated = await rotateSigningKeys(db, keyring, { ...left, force: true });
    t.deepEqual(rotated, { outcome: 'rotated', kid: next, keys: [{ kid: next, alg: 'EdDSA' }] });
    t.deepEqual(await states(db), ['ES256 retiring', 'EdDSA current', 'EdDSA retiring', 'EdDSA upcoming']);
  },
);

testOnStores(
  'a rotation without the setting leaves no algorithm out that the database has',
  async (t, { db }) => {
    await start(db, both);
    await db('signing_keys').where({ alg: 'EdDSA', status: 'upcoming' }).delete();
    const forced = { ...rotation, algs: null, force: true };
    t.is((await rotateSigningKeys(db, keyring, forced)).outcome, 'rotated');
    const ofEach = ['current', 'retiring', 'upcoming'].flatMap((status) =>
      both.map((alg) => `${alg} ${status}`),
    );
    t.deepEqual(await states(db), ofEach.toSorted(), 'a missing upcoming key is made');
  },
);
