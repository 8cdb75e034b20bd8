// Recovery while something else happens to the user: whichever commits first, no session of the old password is left, and no password
// is set that a decision has just forbidden. The one side holds its locks until the other waits for them.
import test, { type ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import { completeRecovery } from '../../../src/core/actions/recover.ts';
import { changeUserStatus } from '../../../src/core/actions/user_status.ts';
import { findSession } from '../../../src/core/sessions/find_session.ts';
import { openSession } from '../../../src/core/sessions/open_session.ts';
import { updateUser } from '../../../src/core/users/user_changes.ts';
import { lockUser } from '../../../src/core/users/users.ts';
import {
  makeClient,
  newSession,
  openTestSession,
  password,
  present,
  source,
} from '../../helpers/builders.ts';
import { commitBetween } from '../../helpers/held_locks.ts';
import { attempt } from '../../helpers/password_attempts.ts';
import { askAndRead, fresh, makeReachable, openRecoveryDeps, recover } from '../../helpers/recovery.ts';
import { rotate } from '../../helpers/rotate.ts';
import { rowOf } from '../../helpers/rows.ts';
import { makeStore, testOnStores } from '../../helpers/stores.ts';

async function open(t: ExecutionContext) {
  const store = await makeStore('postgres');
  t.teardown(store.drop);
  return await openRecoveryDeps(t, store.db);
}

const hashOf = async (db: Knex, id: string) => (await rowOf(db('users').where({ id }).first())).password_hash;

const forbidding: Record<string, (tx: Knex.Transaction, id: string) => Promise<unknown>> = {
  'a ban': async (tx, id) => {
    await lockUser(tx, id);
    await tx('users').where({ id }).update({ status: 'banned' }).increment('code_version', 1);
  },
  'a deletion': async (tx, id) => {
    await lockUser(tx, id);
    await tx('users')
      .where({ id })
      .update({ status: 'deleted', password_hash: null })
      .increment('code_version', 1);
  },
  'a change of the password': async (tx, id) =>
    await tx('users').where({ id }).update({ password_hash: 'another' }).increment('code_version', 1),
  'a change of the address': async (tx, id) =>
    await updateUser(tx, id, { email: 'other@mail.example', email_verified: true }),
};

for (const [title, change] of Object.entries(forbidding)) {
  test(`${title} that commits while a recovery is completed wins: no password is set and no code is spent`, async (t) => {
    const deps = await open(t);
    const user = await makeReachable(deps.db);
    const { token } = await askAndRead(deps, user);
    const outcome = await commitBetween(
      deps.db,
      (tx) => change(tx, user.id),
      () => recover(deps, { token }),
    );
    t.is(outcome, 'invalid_code');
    t.is(await attempt(deps, user.username, fresh), 'refused');
    t.is((await rowOf(deps.db('one_time_codes').where({ user_id: user.id }).first())).used_at, null);
    t.deepEqual(await deps.db('audit_events').where({ type: 'user_recovered' }), []);
  });
}

test('a login that was proved by the old password opens no session once a recovery has committed', async (t) => {
  const deps = await open(t);
  const { db } = deps;
  const user = await makeReachable(db);
  const client = await makeClient(db);
  const { token } = await askAndRead(deps, user);
  await completeRecovery(deps, { proof: { token }, new_password: fresh, source });
  const late = {
    ...newSession(user, client),
    proved_hash: user.password_hash,
    proved_epoch: user.session_epoch,
  };
  t.is(await openSession(db, late), null);
});

testOnStores(
  'of a recovery and a refresh at once, no session is left that could refresh again',
  async (t, { db }) => {
    const deps = await openRecoveryDeps(t, db);
    for (let round = 0; round < 5; round += 1) {
      const user = await makeReachable(db);
      const session = await openTestSession(db, { user });
      const { token } = await askAndRead(deps, user);
      await Promise.all([recover(deps, { token }), rotate(db, present(session, 0))]);
      const after = await findSession(db, session.id);
      t.is(after?.ended_reason, 'recovered');
    }
  },
);

testOnStores(
  'of a recovery and a ban at once, the user is banned and no session is left',
  async (t, { db }) => {
    const deps = await openRecoveryDeps(t, db);
    for (let round = 0; round < 5; round += 1) {
      const user = await makeReachable(db);
      const session = await openTestSession(db, { user });
      const { token } = await askAndRead(deps, user);
      const before = await hashOf(db, user.id);
      const [outcome] = await Promise.all([
        recover(deps, { token }),
        changeUserStatus(db, user.id, { status: 'banned', actor: 'admin' }),
      ]);
      const after = await rowOf(db('users').where({ id: user.id }).first());
      t.is(after.status, 'banned');
      t.is(after.password_hash === before, outcome === 'invalid_code');
      t.truthy((await findSession(db, session.id))?.ended_at);
      t.is(await attempt(deps, user.username, outcome === 'done' ? fresh : password), 'inactive');
    }
  },
);
