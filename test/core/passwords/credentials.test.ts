import { hash } from '@node-rs/argon2';
import { changeUserStatus } from '../../../src/core/actions/user_status.ts';
import {
  type Authentication,
  authenticate as authenticateUser,
} from '../../../src/core/passwords/credentials.ts';
import { hashPassword, isOutdated } from '../../../src/core/passwords/password_hash.ts';
import type { Db } from '../../../src/core/store/db.ts';
import { findUser, findUserByLogin } from '../../../src/core/users/users.ts';
import { makeUser, password } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { readTables } from '../../helpers/tables.ts';

const refused = { outcome: 'refused' } as const;

async function authenticate(db: Db, login: string, given: string): Promise<Authentication> {
  return await authenticateUser(db, await findUserByLogin(db, login), given);
}

testOnStores(
  'the right password authenticates by username or address, however these are typed',
  async (t, { db }) => {
    const user = await makeUser(db, { username: 'alice', email: 'Alice@example.com' });
    for (const login of ['alice', 'ALICE', 'Ａlice', 'alice@example.com', 'ALICE@EXAMPLE.COM']) {
      t.deepEqual(await authenticate(db, login, password), { outcome: 'authenticated', user }, login);
    }
  },
);

testOnStores('every wrong login gets the same answer, and nothing is written', async (t, { db }) => {
  await makeUser(db, { username: 'alice', email: 'alice@example.com' });
  await makeUser(db, { username: 'no-password', password_hash: null });
  const before = await readTables(db);
  for (const [login, given] of [
    ['alice', 'wrong'],
    ['alice@example.com', 'wrong'],
    ['alice', ''],
    ['alice', `${password} `],
    ['alice', 'x'.repeat(10_240)],
    ['alice', '\0'],
    ['alice', '\ud800'],
    ['nobody', password],
    ['nobody@example.com', password],
    ['no-password', ''],
    ['no-password', 'null'],
    ['', ''],
    ['alice\0', password],
    ['\0', password],
    ['\ud800', password],
    ['%', password],
    ["alice' --", password],
    ['alice'.padEnd(10_240), password],
    ['ﷺ'.repeat(254), password],
  ] as const) {
    t.deepEqual(await authenticate(db, login, given), refused, JSON.stringify([login, given]).slice(0, 60));
  }
  t.deepEqual(await readTables(db), before);
});

testOnStores('only a caller who knows the password learns why a user may not log in', async (t, { db }) => {
  for (const status of ['banned', 'disabled'] as const) {
    const made = await makeUser(db, { username: status });
    const { user } = await changeUserStatus(db, made.id, { status, reason: 'spam', actor: 'admin' });
    t.deepEqual(await authenticate(db, status, password), { outcome: 'inactive', user });
    t.deepEqual(await authenticate(db, status, 'wrong'), refused);
  }
  const deleted = await makeUser(db, { username: 'deleted' });
  await changeUserStatus(db, deleted.id, { status: 'deleted', actor: 'admin' });
  t.deepEqual(await authenticate(db, 'deleted', password), refused);
});

testOnStores('after a ban has expired, its user can log in', async (t, { db }) => {
  const made = await makeUser(db, { username: 'alice' });
  const ban = { status: 'banned', actor: 'admin', ban_expires_at: new Date(Date.now() - 1) } as const;
  const { user } = await changeUserStatus(db, made.id, ban);
  t.deepEqual(await authenticate(db, 'alice', password), { outcome: 'authenticated', user });
});

testOnStores('an outdated hash is replaced by a successful login and by no other', async (t, { db }) => {
  const old = await hash(password, { memoryCost: 8_192, timeCost: 1, parallelism: 1 });
  const { id } = await makeUser(db, { username: 'alice', password_hash: old });
  const stored = async () => (await findUser(db, id))?.password_hash ?? '';
  t.deepEqual(await authenticate(db, 'alice', 'wrong'), refused);
  t.is(await stored(), old);
  t.is((await authenticate(db, 'alice', password)).outcome, 'authenticated');
  const renewed = await stored();
  t.false(isOutdated(renewed));
  t.is((await authenticate(db, 'alice', password)).outcome, 'authenticated');
  t.is(await stored(), renewed, 'and then it stays');
});

testOnStores('a password is accepted in either of two Unicode forms', async (t, { db }) => {
  const composed = 'pässwörd'.normalize('NFC');
  await makeUser(db, { username: 'alice', password_hash: await hashPassword(composed) });
  for (const form of ['NFC', 'NFD', 'NFKC', 'NFKD']) {
    t.is((await authenticate(db, 'alice', composed.normalize(form))).outcome, 'authenticated', form);
  }
});
