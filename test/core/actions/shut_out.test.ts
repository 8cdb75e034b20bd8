// What the links "this was not me" and "undo" take from a thief, and what of a change of the address waits for others.
import test from 'ava';
import type { Knex } from 'knex';
import {
  type AddressDeps,
  requestAddressChange,
  verifyAddress,
} from '../../../src/core/actions/change_address.ts';
import { reportNotMe } from '../../../src/core/actions/not_me.ts';
import { undoAddressChange } from '../../../src/core/actions/undo_address.ts';
import { issueCode, type NewCode } from '../../../src/core/one_time_codes/one_time_codes.ts';
import { findUser } from '../../../src/core/users/users.ts';
import { keyring, makeUser, openTestSession, password, source } from '../../helpers/builders.ts';
import { commitBetween } from '../../helpers/held_locks.ts';
import { enableMail } from '../../helpers/outbox_mails.ts';
import { openRecoveryDeps } from '../../helpers/recovery.ts';
import { rowOf } from '../../helpers/rows.ts';
import { makeStore, testOnStores } from '../../helpers/stores.ts';

const owner = 'owner@example.com';
const thief = 'thief@example.com';

async function issue(db: Knex, input: NewCode) {
  const { id } = await db.transaction((tx) => issueCode(tx, keyring, input));
  return await rowOf(db('one_time_codes').where({ id }).first());
}

const isVoid = async (db: Knex, id: string) =>
  (await rowOf(db('one_time_codes').where({ id }).first())).used_at !== null;

testOnStores('"this was not me" voids codes and access tokens, and the password', async (t, { db }) => {
  enableMail(db);
  const user = await makeUser(db, { email: owner, email_verified: true });
  const code = await issue(db, { purpose: 'not_me', user, address: owner });
  const deps = { db, keyring, config: { recovery: true } };
  t.is((await reportNotMe(deps, code, { typed: owner, source })).outcome, 'done');
  const after = await findUser(db, user.id);
  t.deepEqual(
    [after?.code_version, after?.token_version, after?.password_use],
    [user.code_version + 1, user.token_version + 1, 'recover'],
  );
});

testOnStores(
  'an undone change voids the links of the later address, not those of the restored one',
  async (t, { db }) => {
    enableMail(db);
    const user = await makeUser(db, { email: thief, email_verified: true });
    const undo = await issue(db, { purpose: 'undo_email', user, address: owner });
    const [own, other] = [
      await issue(db, { purpose: 'not_me', user, address: owner }),
      await issue(db, { purpose: 'not_me', user, address: thief }),
    ];
    const deps = { db, keyring, config: { recovery: true } };
    t.is((await undoAddressChange(deps, undo, { typed: owner, source })).outcome, 'done');
    t.deepEqual([await isVoid(db, own.id), await isVoid(db, other.id)], [false, true]);
  },
);

const config: AddressDeps['config'] = {
  signUpDomains: null,
  recovery: true,
  mail: { smtpUrl: null, folder: null },
};

testOnStores('a login from before all sessions ended proves no address', async (t, { db }) => {
  const deps = { ...(await openRecoveryDeps(t, db)), config };
  const user = await makeUser(db, { email: owner });
  const code = await issue(db, { purpose: 'verify_email', user, address: owner });
  await db('users').where({ id: user.id }).increment('session_epoch', 1);
  await t.throwsAsync(verifyAddress(deps, code, { login: user }, source), { message: /token|session|log/i });
  t.false(await isVoid(db, code.id));
  await verifyAddress(deps, code, { login: { ...user, session_epoch: user.session_epoch + 1 } }, source);
  t.not((await findUser(db, user.id))?.email_verified_at, null);
});

test('a password that changes while another address is asked for is no proof', async (t) => {
  const store = await makeStore('postgres');
  t.teardown(store.drop);
  const { db } = store;
  const deps = { ...(await openRecoveryDeps(t, db)), config };
  const user = await makeUser(db);
  const { id: session_id } = await openTestSession(db, { user });
  const asked = commitBetween(
    db,
    (tx) => tx('users').where({ id: user.id }).update({ password_hash: 'another' }),
    () =>
      requestAddressChange(deps, {
        ...{ user_id: user.id, email: thief, asker: { session_id } },
        ...{ current_password: password, source },
      }),
  );
  await t.throwsAsync(asked, { message: /password|credentials/i });
  t.deepEqual(await db('one_time_codes'), []);
});
