// Changes that are being committed while a login at the pages is completed: whichever comes first, no session and no browser session
// is left behind. The changes hold their locks until the login waits for them.
import test, { type ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import { addConsent, findObstacle, withdrawConsent } from '../../../src/core/actions/consents.ts';
import { findRecord } from '../../../src/core/engine_records/engine_records.ts';
import { type NewEngineRecord, saveRecord } from '../../../src/core/engine_records/save_record.ts';
import { endBrowserSession } from '../../../src/core/sessions/browser_sessions.ts';
import { beginEndingAll } from '../../../src/core/sessions/end_many.ts';
import { exchangeCode } from '../../../src/core/sessions/exchange_code.ts';
import { findSession } from '../../../src/core/sessions/find_session.ts';
import { openSession } from '../../../src/core/sessions/open_session.ts';
import type { User } from '../../../src/core/users/users.ts';
import { lockUser } from '../../../src/core/users/users.ts';
import { digest } from '../../../src/lib/crypto.ts';
import { keyring, makeClient, makeUser, newSession, openTestSession } from '../../helpers/builders.ts';
import { commitBetween } from '../../helpers/held_locks.ts';
import { rowOf } from '../../helpers/rows.ts';
import { makeStore, testOnStores } from '../../helpers/stores.ts';

const byUser = { actor: 'user' } as const;
const granted = { openid: ['openid'], claims: [], resources: {} };

async function open(t: ExecutionContext): Promise<Knex> {
  const store = await makeStore('postgres');
  t.teardown(store.drop);
  return store.db;
}

const browserOf = (user: User, id: string): NewEngineRecord => ({
  model: 'Session',
  id,
  payload: { jti: id, uid: `uid of ${id}`, accountId: user.id },
  ttl: 60,
  session_epoch: user.session_epoch,
  proved: { ...user, user_id: user.id },
});

const changes: Record<string, (tx: Knex.Transaction, user: User) => Promise<unknown>> = {
  'the end of all sessions': async (tx, { id }) => {
    await lockUser(tx, id);
    await beginEndingAll(tx, id, { reason: 'logout_all', ...byUser });
  },
  'a change of the password': (tx, { id }) => tx('users').where({ id }).update({ password_hash: 'new' }),
};

for (const [title, change] of Object.entries(changes)) {
  test(`${title} that commits while a login is stored leaves no browser session`, async (t) => {
    const db = await open(t);
    for (const storedAs of [undefined, 'before']) {
      const user = await makeUser(db);
      if (storedAs) await saveRecord(db, keyring, browserOf(user, storedAs));
      const login = { ...browserOf(user, 'login'), ...(storedAs ? { storedAs } : {}) };
      const isSaved = await commitBetween(
        db,
        (tx) => change(tx, user),
        () => saveRecord(db, keyring, login),
      );
      t.false(isSaved);
      t.is(await findRecord(db, 'Session', 'login'), null);
    }
  });
}

test('a login that waits for a withdrawal, or for the end of its browser, may not go on', async (t) => {
  const db = await open(t);
  const client = await makeClient(db, { first_party: false, redirect_uris: ['https://app.example/cb'] });
  const id = digest('uid of b');
  const race = async (end: (tx: Knex, user: User) => Promise<unknown>) => {
    const user = await makeUser(db);
    await addConsent(db, user.id, client.client_id, granted);
    await saveRecord(db, keyring, browserOf(user, 'b'));
    const base = { ...newSession(user, client), browser_session: id };
    const before = await openTestSession(db, { ...base, user, client });
    t.is(await findObstacle(db, before, id), null);
    const opened = await commitBetween(
      db,
      (tx) => end(tx, user),
      () => openSession(db, base),
    );
    if (!opened) throw new Error('the session was not opened');
    t.truthy((await findSession(db, before.id))?.ended_at, 'the session before it has ended');
    return await findObstacle(db, opened, id);
  };
  const { client_id } = client;
  t.is(await race((tx, user) => withdrawConsent(tx, user.id, client_id, byUser)), 'consent_withdrawn');
  t.is(
    await race((tx, user) => endBrowserSession(tx, user.id, id, { reason: 'logout', ...byUser })),
    'logout',
  );
});

test('a consent that waits for a withdrawal, or for another consent, is added to what is left', async (t) => {
  const db = await open(t);
  const { client_id } = await makeClient(db, {
    first_party: false,
    redirect_uris: ['https://app.example/cb'],
  });
  const add = async (tx: Knex, { id }: User, openid: string[]) =>
    await addConsent(tx, id, client_id, { ...granted, openid });
  const race = async (first: (tx: Knex.Transaction, user: User) => Promise<unknown>, before: string[]) => {
    const user = await makeUser(db);
    if (before.length > 0) await add(db, user, before);
    const change = (tx: Knex.Transaction) => first(tx, user);
    const all = await commitBetween(db, change, () => add(db, user, ['email']));
    const stored = await rowOf(db('consents').where({ user_id: user.id }).first());
    const events = await db('audit_events').where({ user_id: user.id, type: 'consent_given' });
    t.deepEqual(stored.granted, all);
    return [stored.granted.openid, events.length];
  };
  const withdraw = (tx: Knex, { id }: User) => withdrawConsent(tx, id, client_id, byUser);
  const addMore = (tx: Knex, user: User) => add(tx, user, ['profile']);
  t.deepEqual(await race(withdraw, ['openid']), [['email'], 2]);
  t.deepEqual(await race(addMore, ['openid']), [['openid', 'profile', 'email'], 3]);
  t.deepEqual(await race(addMore, []), [['profile', 'email'], 2]);
});

async function makeCode(db: Knex) {
  const session = await openTestSession(db);
  const payload = { jti: 'code', grantId: session.id, accountId: session.user_id };
  await saveRecord(db, keyring, { model: 'AuthorizationCode', id: 'code', payload, ttl: 60 });
  const completion = { session, token_payload: { scope: 'openid' }, idle_ttl: 1_000 };
  return {
    session,
    exchange: () => exchangeCode(db, { model: 'AuthorizationCode', handle: 'code' }, completion),
  };
}

test('a code whose session ends while it is exchanged is used up and gives nothing', async (t) => {
  const db = await open(t);
  const { session, exchange } = await makeCode(db);
  const end = (tx: Knex.Transaction) =>
    tx('sessions').where({ id: session.id }).update({ ended_at: new Date(), ended_reason: 'logout' });
  t.is(await commitBetween(db, end, exchange), 'ended');
  t.is(await exchange(), 'used');
  t.is((await rowOf(db('sessions').where({ id: session.id }).first())).idle_ttl, session.idle_ttl);
});

test('a code that another exchange is using up is used', async (t) => {
  const db = await open(t);
  const { session, exchange } = await makeCode(db);
  const use = (tx: Knex.Transaction) =>
    tx('oidc_models').where({ model: 'AuthorizationCode' }).update({ consumed_at: new Date() });
  t.is(await commitBetween(db, use, exchange), 'used');
  t.is((await rowOf(db('sessions').where({ id: session.id }).first())).idle_ttl, session.idle_ttl);
});

testOnStores('of ten exchanges of one code at once, one succeeds', async (t, { db }) => {
  const { exchange } = await makeCode(db);
  const outcomes = await Promise.all(Array.from({ length: 10 }, exchange));
  t.deepEqual(outcomes.toSorted(), ['exchanged', ...Array.from({ length: 9 }, () => 'used')]);
});
