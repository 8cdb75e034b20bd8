// Setting a new password by a code or link: what ends, what stays, and which codes die.
import { changePassword } from '../../../src/core/actions/password_change.ts';
import { changeUserStatus } from '../../../src/core/actions/user_status.ts';
import { findLink } from '../../../src/core/one_time_codes/spend.ts';
import { updateUser } from '../../../src/core/users/user_changes.ts';
import { findUser } from '../../../src/core/users/users.ts';
import { makeUser, openTestSession, password, source } from '../../helpers/builders.ts';
import { secretOf, waitingMails } from '../../helpers/outbox_mails.ts';
import { attempt, lockout, openStoreLoginDeps } from '../../helpers/password_attempts.ts';
import { ask, askAndRead, fresh, makeReachable, openRecoveryDeps, recover } from '../../helpers/recovery.ts';
import { rowOf } from '../../helpers/rows.ts';
import { testOnStores } from '../../helpers/stores.ts';

testOnStores('a code sets the password, ends every session, and tells the user', async (t, { db }) => {
  const deps = await openRecoveryDeps(t, db);
  const user = await makeReachable(db);
  const session = await openTestSession(db, { user });
  const { recovery_id, code } = await askAndRead(deps, user);
  t.is(await recover(deps, { recovery_id, code: `${code.slice(0, 3)} ${code.slice(3)}` }), 'done');
  const now = await rowOf(db('users').where({ id: user.id }).first());
  t.deepEqual(
    [now.token_version, now.code_version, now.session_epoch, now.password_use],
    [user.token_version + 1, user.code_version + 1, user.session_epoch + 1, null],
  );
  t.is(await attempt(deps, user.username, fresh), 'authenticated');
  t.is(await attempt(deps, user.username, password), 'refused');
  const ended = await rowOf(db('sessions').where({ id: session.id }).first());
  t.deepEqual([ended.ended_reason, ended.ended_by, ended.ended_by_id], ['recovered', 'user', user.id]);
  const [event] = await db('audit_events').where({ type: 'user_recovered' });
  t.deepEqual(
    [event?.user_id, event?.actor, event?.actor_id, event?.ip, event?.detail],
    [user.id, 'user', user.id, source.ip, null],
  );
  const notice = (await waitingMails(db)).find(({ kind }) => kind === 'recovered');
  t.deepEqual([notice?.to, notice?.facts], [user.email, { name: user.username }]);
  t.is((await findLink(db, 'not_me', secretOf(notice ?? {}))).state, 'alive');
});

testOnStores(
  'a user without a password gets one, and one whose password is good for nothing any more',
  async (t, { db }) => {
    const deps = await openRecoveryDeps(t, db);
    for (const given of [{ password_hash: null }, {}]) {
      const user = await makeReachable(db, given);
      if (user.password_hash) await db('users').where({ id: user.id }).update({ password_use: 'recover' });
      const { token } = await askAndRead(deps, user);
      t.is(await recover(deps, { token }), 'done');
      t.is(await attempt(deps, user.email, fresh), 'authenticated');
      t.is((await findUser(db, user.id))?.password_use, null);
    }
  },
);

testOnStores(
  'of three mails the first one works when newer ones are out, and kills them',
  async (t, { db }) => {
    const deps = await openRecoveryDeps(t, db);
    const user = await makeReachable(db);
    const first = await askAndRead(deps, user);
    const { recovery_id } = first;
    const second = await askAndRead(deps, user, recovery_id);
    const third = await askAndRead(deps, user, recovery_id);
    const elsewhere = await askAndRead(deps, user);
    t.is(third.recovery_id, recovery_id);
    t.is(await recover(deps, { recovery_id, code: first.code }), 'done');
    for (const { code, token, recovery_id: id } of [first, second, third, elsewhere]) {
      t.is(await recover(deps, { recovery_id: id, code }), 'invalid_code');
      t.is(await recover(deps, { token }), 'invalid_code');
      t.is((await findLink(db, 'recover', token)).state, 'used');
    }
  },
);

testOnStores('a fourth mail kills the first, whose code then counts as no wrong one', async (t, { db }) => {
  const deps = await openRecoveryDeps(t, db);
  const user = await makeReachable(db);
  const first = await askAndRead(deps, user);
  const { recovery_id } = first;
  const others = [];
  for (let more = 0; more < 3; more += 1) others.push(await askAndRead(deps, user, recovery_id));
  for (let times = 0; times < 10; times += 1)
    t.is(await recover(deps, { recovery_id, code: first.code }), 'invalid_code');
  t.is(await recover(deps, { token: first.token }), 'invalid_code');
  const [, fourth] = others.toReversed();
  t.is(await recover(deps, { recovery_id, code: fourth?.code ?? '' }), 'done');
});

testOnStores('a weak password spends nothing', async (t, { db }) => {
  const deps = await openRecoveryDeps(t, db);
  const user = await makeReachable(db);
  const { recovery_id, code, token } = await askAndRead(deps, user);
  for (const weak of ['', 'short', 'password1', user.username, user.email])
    for (const proof of [{ recovery_id, code }, { token }])
      t.is(await recover(deps, proof, weak), 'weak_password', weak);
  t.is(await attempt(deps, user.username, password), 'authenticated');
  t.is(await recover(deps, { recovery_id, code }), 'done');
});

testOnStores(
  'a code is good only with the handle of its request, and only for what it was sent for',
  async (t, { db }) => {
    const deps = await openRecoveryDeps(t, db);
    const [ada, bob] = [await makeReachable(db), await makeReachable(db)];
    const own = await askAndRead(deps, ada);
    const other = await askAndRead(deps, bob);
    const unknown = await ask(deps, 'nobody');
    if (own.code !== other.code)
      t.is(await recover(deps, { recovery_id: other.recovery_id, code: own.code }), 'invalid_code');
    t.is(await recover(deps, { recovery_id: unknown, code: own.code }), 'invalid_code');
    t.is(await recover(deps, { recovery_id: 'x'.repeat(43), code: own.code }), 'invalid_code');
    await db('one_time_codes').where({ user_id: ada.id }).update({ purpose: 'verify_email' });
    t.is(await recover(deps, own), 'invalid_code');
    t.is(await recover(deps, { token: own.token }), 'invalid_code');
    await db('one_time_codes').where({ user_id: ada.id }).update({ purpose: 'recover' });
    t.is(await recover(deps, { token: own.token }), 'done');
    t.is(await attempt(deps, bob.username, password), 'authenticated');
  },
);

type Change = (deps: Awaited<ReturnType<typeof openRecoveryDeps>>, id: string) => Promise<unknown>;

const byAdmin = { actor: 'admin' } as const;
const deaths: Record<string, Change> = {
  'the password was changed by its user': async (deps, user_id) => {
    const asker = {
      session_id: (
        await openTestSession(deps.db, { user: await rowOf(deps.db('users').where({ id: user_id }).first()) })
      ).id,
    };
    await changePassword(deps, {
      user_id,
      asker,
      current_password: password,
      new_password: `${fresh} again`,
      source,
    });
  },
  'the address was changed': async ({ db }, id) =>
    await updateUser(db, id, { email: `new-${id}@mail.example`, email_verified: true }),
  'the address was changed and restored': async ({ db }, id) => {
    const { email } = await rowOf(db('users').where({ id }).first());
    await updateUser(db, id, { email: `new-${id}@mail.example`, email_verified: true });
    await updateUser(db, id, { email, email_verified: true });
  },
  'the user was banned': async ({ db }, id) =>
    await changeUserStatus(db, id, { status: 'banned', ...byAdmin }),
  'the user was banned and unbanned': async ({ db }, id) => {
    await changeUserStatus(db, id, { status: 'banned', ...byAdmin });
    await changeUserStatus(db, id, { status: 'active', ...byAdmin });
  },
  'the user was disabled': async ({ db }, id) =>
    await changeUserStatus(db, id, { status: 'disabled', ...byAdmin }),
  'the user was deleted': async ({ db }, id) =>
    await changeUserStatus(db, id, { status: 'deleted', ...byAdmin }),
};

for (const [title, change] of Object.entries(deaths)) {
  testOnStores(`codes and links are dead once ${title}`, async (t, { db }) => {
    const deps = await openRecoveryDeps(t, db);
    const user = await makeReachable(db);
    const { recovery_id, code, token } = await askAndRead(deps, user);
    await change(deps, user.id);
    const before = await db('users').where({ id: user.id }).first('password_hash');
    t.is(await recover(deps, { recovery_id, code }), 'invalid_code');
    t.is(await recover(deps, { token }), 'invalid_code');
    t.deepEqual(await db('users').where({ id: user.id }).first('password_hash'), before);
  });
}

testOnStores(
  'a user who was locked out by wrong passwords logs in at once after a recovery, while the network stays limited',
  async (t, store) => {
    const counted = await openStoreLoginDeps(t, store, {
      ...{ store: store.name === 'sqlite' ? 'memory' : 'database', lockout },
      ...{ password: { points: 3, seconds: 600 }, loginAddress: { points: 6, seconds: 600 } },
    });
    const deps = { ...(await openRecoveryDeps(t, store.db)), ...counted, db: store.db };
    const user = await makeReachable(store.db);
    for (let wrong = 0; wrong < 3; wrong += 1) await attempt(deps, user.username, 'wrong');
    for (let wrong = 0; wrong < 2; wrong += 1) await attempt(deps, user.email, 'wrong');
    t.is(await attempt(deps, user.username, password), 'limited');
    const { recovery_id, code } = await askAndRead(deps, user);
    t.is(await recover(deps, { recovery_id, code }), 'done');
    t.is(await attempt(deps, user.username, fresh), 'authenticated');
    t.is(await attempt(deps, user.email, fresh), 'authenticated');
    await attempt(deps, (await makeUser(store.db)).username, 'wrong');
    t.is(await attempt(deps, user.username, fresh), 'limited', 'the sixth failure of the network');
  },
);
