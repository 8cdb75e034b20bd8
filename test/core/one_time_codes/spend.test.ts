// What becomes of codes and links: each ends by use, by time, by newer ones, and with what its user changes.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import { guessCode } from '../../../src/core/one_time_codes/guesses.ts';
import { issueCode, type NewCode } from '../../../src/core/one_time_codes/one_time_codes.ts';
import { claimCode, findLink, spendCode } from '../../../src/core/one_time_codes/spend.ts';
import { keyring, makeUser } from '../../helpers/builders.ts';
import { rowOf } from '../../helpers/rows.ts';
import { testOnStores } from '../../helpers/stores.ts';

const request = 'the handle of a request';
const past = () => new Date(Date.now() - 1_000);

// Ids of one millisecond are in no order.
async function issue(db: Knex, input: NewCode) {
  await sleep(2);
  return await db.transaction((tx) => issueCode(tx, keyring, input));
}

const codeIn = async (db: Knex, id: string) => await rowOf(db('one_time_codes').where({ id }).first());

async function assertUnspendable(t: ExecutionContext, db: Knex, id: string, why: string): Promise<void> {
  const code = await codeIn(db, id);
  for (const use of [claimCode, spendCode]) t.false(await db.transaction((tx) => use(tx, code)), why);
}

testOnStores('a link is alive until it is used, expires, or its user changes', async (t, { db }) => {
  const user = await makeUser(db);
  const make = async () => await issue(db, { purpose: 'recover', user });
  const [fresh, used, expired, changed] = [await make(), await make(), await make(), await make()];
  const state = async ({ token }: { token: string }) => (await findLink(db, 'recover', token)).state;
  t.is(await state(fresh), 'alive');
  t.is((await findLink(db, 'verify_email', fresh.token)).state, 'unknown', 'for another purpose');
  const code = await codeIn(db, used.id);
  t.true(await db.transaction((tx) => claimCode(tx, code)));
  await db('one_time_codes').where({ id: expired.id }).update({ expires_at: past() });
  t.deepEqual([await state(used), await state(expired), await state(fresh)], ['used', 'expired', 'alive']);
  await assertUnspendable(t, db, used.id, 'used');
  await assertUnspendable(t, db, expired.id, 'expired');
  await db('users').where({ id: user.id }).increment('code_version', 1);
  t.deepEqual([await state(fresh), await state(changed)], ['used', 'used']);
  await assertUnspendable(t, db, changed.id, 'the user has changed');
});

const right = async (db: Knex, code: string | null) =>
  (await guessCode(db, keyring, { purpose: 'recover', request, code: code ?? '' }))?.id ?? null;

testOnStores(
  'six digits that were right once count for nothing when they have expired',
  async (t, { db }) => {
    const user = await makeUser(db);
    const { id, code } = await issue(db, { purpose: 'recover', user, request });
    t.is(await right(db, code), id);
    await db('one_time_codes').where({ id }).update({ code_expires_at: past() });
    for (let n = 0; n < 6; n += 1) t.is(await right(db, code), null);
    t.is((await codeIn(db, id)).tries, 0);
    const next = await issue(db, { purpose: 'recover', user, request });
    t.is(await right(db, next.code), next.id);
  },
);

testOnStores(
  'of four codes of a request the oldest is void, and typing it counts for nothing',
  async (t, { db }) => {
    const user = await makeUser(db);
    const make = async () => await issue(db, { purpose: 'recover', user, request });
    const [oldest, ...others] = [await make(), await make(), await make(), await make()];
    const codes = others.map(({ code }) => code);
    if (!codes.includes(oldest?.code ?? null)) t.is(await right(db, oldest?.code ?? null), null);
    t.is((await findLink(db, 'recover', oldest?.token ?? '')).state, 'used');
    for (const { token } of others) t.is((await findLink(db, 'recover', token)).state, 'alive');
    t.deepEqual(await db('one_time_codes').where('tries', '>', 0), []);
  },
);
