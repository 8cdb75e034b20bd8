// The rotating UPDATE between the check of a request and its answer: what changes in between is seen by it.
import type { ExecutionContext } from 'ava';
import { changeUserStatus } from '../../../src/core/actions/user_status.ts';
import { openClientCache } from '../../../src/core/clients/client_cache.ts';
import { endSession } from '../../../src/core/sessions/end_sessions.ts';
import { type Caller, useRefreshToken } from '../../../src/core/sessions/rotation.ts';
import { makeClient, openTestSession, present, source } from '../../helpers/builders.ts';
import { rowOf } from '../../helpers/rows.ts';
import { type Store, testOnStores } from '../../helpers/stores.ts';

const own = 'https://id.example.test/api';

async function setUp({ db }: Store) {
  const client = await makeClient(db);
  const session = await openTestSession(db, { client });
  const known = await openClientCache(db, own).find(client.client_id);
  if (!known) throw new Error('there is no such client');
  const proof = { jti: `proof of ${session.id}`, isSpent: false };
  const use = { owner: client.client_id, ttl: 60, proof };
  return { db, session, proof, presented: present(session, 0, { version: known.version, proof: use }) };
}

class Outdated extends Error {}

/** A caller that does `work` once between its check and the UPDATE. */
function interrupted(work: () => Promise<unknown>): Caller {
  let isDone = false;
  return {
    async check(session) {
      if (session && !session.is_current_version) throw new Outdated();
    },
    async attempt(rotate) {
      if (!isDone) await work();
      isDone = true;
      return await rotate();
    },
  };
}

async function assertGeneration(t: ExecutionContext, { db }: Store, id: string, expected: number) {
  t.is((await rowOf(db('sessions').where({ id }).first())).generation, expected);
}

testOnStores(
  'a client that changes during a refresh stops the rotation, and its proof stays its own',
  async (t, store) => {
    const { db, session, proof, presented } = await setUp(store);
    const change = interrupted(async () => await makeClient(db));
    await t.throwsAsync(useRefreshToken(db, presented, change), { instanceOf: Outdated });
    await assertGeneration(t, store, session.id, 0);
    t.true(proof.isSpent, 'the statement that did not rotate has recorded the proof');
    const known = await openClientCache(db, own).find(session.client_id);
    const again = { ...presented, version: known?.version ?? 0 };
    const nothing = interrupted(async () => {});
    t.is((await useRefreshToken(db, again, nothing)).outcome, 'rotated');
    await assertGeneration(t, store, session.id, 1);
    const use = { owner: session.client_id, ttl: 60, proof: { jti: proof.jti, isSpent: false } };
    const stolen = { ...again, generation: 1, proof: use };
    t.deepEqual(await useRefreshToken(db, stolen, nothing), { outcome: 'replayed' });
    await assertGeneration(t, store, session.id, 1);
  },
);

testOnStores('an ending during a refresh comes first', async (t, store) => {
  const { db, session, presented } = await setUp(store);
  const end = interrupted(async () => await endSession(db, session.id, { reason: 'logout', actor: 'user' }));
  t.deepEqual(await useRefreshToken(db, presented, end), { outcome: 'ended' });
  await assertGeneration(t, store, session.id, 0);
});

testOnStores('a ban during a refresh comes first', async (t, store) => {
  const { db, session, presented } = await setUp(store);
  const ban = interrupted(
    async () => await changeUserStatus(db, session.user_id, { status: 'banned', actor: 'system' }),
  );
  t.deepEqual(await useRefreshToken(db, presented, ban), { outcome: 'ended' });
  await assertGeneration(t, store, session.id, 0);
});

testOnStores(
  'a rotation by another request in between makes this one a retry or a reuse',
  async (t, store) => {
    const { db, session, presented } = await setUp(store);
    const other = interrupted(async () => {
      const rotation = await useRefreshToken(
        db,
        present(session, 0, { source }),
        interrupted(async () => {}),
      );
      t.is(rotation.outcome, 'rotated');
    });
    const { outcome } = await useRefreshToken(db, { ...presented, retry_window: 60 }, other);
    t.is(outcome, 'retried');
    const late = { ...presented, generation: 0, retry_window: 0 };
    t.deepEqual(
      await useRefreshToken(
        db,
        late,
        interrupted(async () => {}),
      ),
      { outcome: 'reused' },
    );
  },
);
