// The order of locks among one-time codes, invitations and the rows of several users. Tested on Postgres, which locks row by row: one
// side holds the first lock, and the other, which waits for it, must not hold a later one already.
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import { withdrawInvitation } from '../../../src/core/actions/invitations.ts';
import { takeAddress } from '../../../src/core/actions/take_address.ts';
import { trustListed } from '../../../src/core/actions/trust_addresses.ts';
import { guessCode } from '../../../src/core/one_time_codes/guesses.ts';
import { issueCode } from '../../../src/core/one_time_codes/one_time_codes.ts';
import { createUser } from '../../../src/core/users/user_changes.ts';
import { keyring } from '../../helpers/builders.ts';
import { untilOneWaits } from '../../helpers/held_locks.ts';
import { makeStore } from '../../helpers/stores.ts';
import { openDatabases } from '../../helpers/tables.ts';

/** A row by its table and id. */
type Row = ['one_time_codes' | 'users', string];

/** Takes the `first` lock, starts `work`, which waits for it, and locks `later`, which is free. */
async function assertOrder(
  t: ExecutionContext,
  db: Knex,
  first: (tx: Knex.Transaction) => Promise<unknown>,
  [table, id]: Row,
  work: () => Promise<unknown>,
): Promise<void> {
  const holding = await db.transaction();
  t.teardown(() => holding.rollback());
  await first(holding);
  const watch = async () => {
    await untilOneWaits(db);
    await t.notThrowsAsync(holding(table).where({ id }).forUpdate().noWait().first('id'), 'is not locked');
    await holding.rollback();
  };
  await t.notThrowsAsync(Promise.all([work(), watch()]));
}

async function open(t: ExecutionContext): Promise<{ db: Knex; other: Knex }> {
  const store = await makeStore('postgres');
  t.teardown(store.drop);
  const [other = store.db] = await openDatabases(t, store, 1);
  return { db: store.db, other };
}

const address = 'ada@example.com';

const onCodes: Record<string, (db: Knex, request: string) => Promise<unknown>> = {
  'a guess': (db, request) => guessCode(db, keyring, { purpose: 'sign_up', request, code: '123456' }),
  'a further code': (db, request) =>
    db.transaction((tx) => issueCode(tx, keyring, { purpose: 'sign_up', request, address })),
};

for (const [title, work] of Object.entries(onCodes)) {
  test(`${title} holds no newer code of its request while it waits for an older one`, async (t) => {
    const { db, other } = await open(t);
    const issue = async () => {
      // Ids of one millisecond are in no order.
      await sleep(2);
      return await db.transaction((tx) =>
        issueCode(tx, keyring, { purpose: 'sign_up', request: 'r', address }),
      );
    };
    const [oldest, , newest] = [await issue(), await issue(), await issue()];
    // As a completion does, which locks the codes of its address.
    const first = (tx: Knex.Transaction) => tx('one_time_codes').where({ id: oldest.id }).forUpdate();
    await assertOrder(t, db, first, ['one_time_codes', newest.id], () => work(other, 'r'));
  });
}

test('a withdrawal holds no invitation while it waits for a new one of the same address', async (t) => {
  const { db, other } = await open(t);
  const { id } = await db.transaction((tx) => issueCode(tx, keyring, { purpose: 'invite', address }));
  const first = (tx: Knex.Transaction) =>
    tx.raw('select pg_advisory_xact_lock(hashtextextended(?, 0))', [`invite ${address}`]);
  await assertOrder(t, db, first, ['one_time_codes', id], () =>
    withdrawInvitation(other, id, { actor: 'admin' }),
  );
});

test('vouching for several users locks them in the order of their ids', async (t) => {
  const { db, other } = await open(t);
  // The younger one first, so that the order of the rows is another.
  const younger = await createUser(db, { email: 'b@example.com' });
  const older = await createUser(db, { email: 'a@example.com' }, new Date(Date.now() - 60_000));
  const list = ['b@example.com', 'a@example.com'].map((one, line) => ({ line, address: one }));
  const first = (tx: Knex.Transaction) => tx('users').where({ id: older.id }).forUpdate();
  await assertOrder(t, db, first, ['users', younger.id], () => trustListed(other, { actor: 'admin' }, list));
});

test('taking an address locks the two users in the order of their ids', async (t) => {
  const { db, other } = await open(t);
  const holder = await createUser(db, { email: address }, new Date(Date.now() - 60_000));
  const taker = await createUser(db, { username: 'taker' });
  const first = (tx: Knex.Transaction) => tx('users').where({ id: holder.id }).forUpdate();
  await assertOrder(t, db, first, ['users', taker.id], () =>
    other.transaction((tx) => takeAddress(tx, { address, user_id: taker.id })),
  );
});
