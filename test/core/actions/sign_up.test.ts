import { loadConfig } from '../../../config/index.ts';
import { completeSignUp } from '../../../src/core/actions/complete_sign_up.ts';
import { requestSignUp, type SignUpDeps } from '../../../src/core/actions/sign_up.ts';
import { openRateLimits } from '../../../src/core/limits/rate_limits.ts';
import { issueCode } from '../../../src/core/one_time_codes/one_time_codes.ts';
import { AppError } from '../../../src/lib/errors.ts';
import { createLog } from '../../../src/lib/log.ts';
import { keyring, makeUser, password, source } from '../../helpers/builders.ts';
import { enableMail } from '../../helpers/outbox_mails.ts';
import { environment } from '../../helpers/server.ts';
import { statementsOf } from '../../helpers/statements.ts';
import { type Store, testOnStores } from '../../helpers/stores.ts';
import { dumpText } from '../../helpers/tables.ts';

async function depsOf({ db, url }: Pick<Store, 'db' | 'url'>): Promise<SignUpDeps> {
  enableMail(db);
  const config = loadConfig(environment(url));
  const limits = await openRateLimits(db, config.rateLimits, createLog({ level: 'error' }));
  return { db, keyring, limits, config };
}

// The time at which a message expires is a value or an expression.
const withoutValues = (sql: string) => sql.replace(/values \(.*/s, '');

// Bound values apart, the same statements in the same order: whatever the address is, the request costs the same.
testOnStores('a request costs the same statements, whatever the address is', async (t, store) => {
  const { db } = store;
  const deps = await depsOf(store);
  await makeUser(db, { email: 'known@example.com', email_verified: true });
  await makeUser(db, { email: 'unproved@example.com' });
  await makeUser(db, { email: 'passwordless@example.com', email_verified: true, password_hash: null });
  const banned = await makeUser(db, { email: 'banned@example.com', email_verified: true });
  await db('users').where({ id: banned.id }).update({ status: 'banned' });
  const owner = await makeUser(db);
  const reserved = { purpose: 'undo_email', user: owner, address: 'former@example.com' } as const;
  await db.transaction((tx) => issueCode(tx, keyring, reserved));
  const names = ['new', 'known', 'unproved', 'passwordless', 'banned', 'former'];
  const asked: string[][] = [];
  const completed: string[][] = [];
  for (const name of names) {
    let sign_up_id = '';
    asked.push(
      await statementsOf(db, async () => {
        sign_up_id = await requestSignUp(deps, { email: `${name}@example.com`, password, source });
      }),
    );
    completed.push(
      await statementsOf(db, async () => {
        const guess = completeSignUp(deps, { sign_up_id, code: 'wrong!', source });
        await t.throwsAsync(guess, { instanceOf: AppError });
      }),
    );
  }
  for (const [at, name] of names.entries()) {
    t.deepEqual(asked[at]?.map(withoutValues), asked[0]?.map(withoutValues), name);
    t.deepEqual(completed[at], completed[0], `a wrong code for ${name}`);
  }
});

testOnStores('a dump with pending requests and mails opens nothing', async (t, store) => {
  const { db } = store;
  const deps = await depsOf(store);
  const secret = 'a password that nobody else has';
  const asked = {
    email: 'ada@example.com',
    username: 'ada',
    claims: { name: 'Ada Lovelace' },
    password: secret,
  };
  const sign_up_id = await requestSignUp(deps, { ...asked, source });
  const dump = await dumpText(db);
  for (const text of [secret, sign_up_id, 'Lovelace', '$argon2id', '/sign-up/'])
    t.false(dump.includes(text), text);
});
