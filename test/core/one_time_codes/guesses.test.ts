// Guessing codes: how many tries there are, one after the other and all at once, and what a copy of the database is worth.
import type { Knex } from 'knex';
import { unlockUser } from '../../../src/core/actions/unlock_user.ts';
import { guessCode } from '../../../src/core/one_time_codes/guesses.ts';
import { issueCode } from '../../../src/core/one_time_codes/one_time_codes.ts';
import { findLink } from '../../../src/core/one_time_codes/spend.ts';
import { createKeyring, digest } from '../../../src/lib/crypto.ts';
import { keyring, otherSecret } from '../../helpers/builders.ts';
import {
  ask,
  askAndRead,
  makeReachable,
  openRecoveryDeps,
  recover,
  wrongCode,
} from '../../helpers/recovery.ts';
import { rowOf } from '../../helpers/rows.ts';
import { testOnStores } from '../../helpers/stores.ts';

const guess = async (db: Knex, request: string, code: string) =>
  await guessCode(db, keyring, { purpose: 'recover', request, code });

/** Moves everything that is stored of codes into the past. */
async function age(db: Knex, seconds: number): Promise<void> {
  for (const { id, created_at, code_expires_at, expires_at } of await db('one_time_codes')) {
    const before = (at: Date | null) => at && new Date(at.getTime() - seconds * 1000);
    await db('one_time_codes')
      .where({ id })
      .update({
        created_at: before(created_at) ?? created_at,
        code_expires_at: before(code_expires_at),
        expires_at: before(expires_at) ?? expires_at,
      });
  }
}

testOnStores(
  'thirty guesses at once count as thirty: after five the right code is refused, and the link works',
  async (t, { db }) => {
    const deps = await openRecoveryDeps(t, db);
    const user = await makeReachable(db);
    const { recovery_id, code, token } = await askAndRead(deps, user);
    const wrong = wrongCode(code);
    const guesses = await Promise.all(Array.from({ length: 30 }, () => guess(db, recovery_id, wrong)));
    t.true(guesses.every((one) => one === null));
    t.is((await rowOf(db('one_time_codes').first())).tries, 5);
    t.is(await recover(deps, { recovery_id, code }), 'invalid_code');
    const again = await askAndRead(deps, user, recovery_id);
    t.is(
      await recover(deps, { recovery_id, code: again.code }),
      'invalid_code',
      'nor does a new mail begin anew',
    );
    t.is(await recover(deps, { token }), 'done');
  },
);

testOnStores('wrong codes for an address count for a day, after which a new one works', async (t, { db }) => {
  const user = await makeReachable(db);
  const next = () =>
    db.transaction((tx) =>
      issueCode(tx, keyring, {
        purpose: 'verify_email',
        user,
        address: 'new@mail.example',
        request: user.id,
      }),
    );
  const enter = async (code: string | null) =>
    await guessCode(db, keyring, { purpose: 'verify_email', request: user.id, code: code ?? '' });
  const { code } = await next();
  for (let n = 0; n < 5; n += 1) await enter(wrongCode(code ?? ''));
  t.is(await enter(code), null);
  t.is(await enter((await next()).code), null, 'a new one does not begin anew');
  await age(db, 86_500);
  t.truthy(await enter((await next()).code));
});

testOnStores(
  'among thirty guesses at once the right one gets through at most as one of five',
  async (t, { db }) => {
    const deps = await openRecoveryDeps(t, db);
    const { recovery_id, code } = await askAndRead(deps, await makeReachable(db));
    const codes = [...Array.from({ length: 29 }, () => wrongCode(code)), code];
    await Promise.all(codes.map((one) => guess(db, recovery_id, one)));
    t.true((await rowOf(db('one_time_codes').first())).tries <= 5);
  },
);

testOnStores(
  'after fifteen wrong codes in a day, over any number of requests at once, only links work for a day',
  async (t, { db }) => {
    const deps = await openRecoveryDeps(t, db);
    const user = await makeReachable(db);
    const strangers = [];
    for (let n = 0; n < 5; n += 1) strangers.push(await askAndRead(deps, user));
    const tries = strangers.flatMap(({ recovery_id, code }) =>
      Array.from({ length: 5 }, () => guess(db, recovery_id, wrongCode(code))),
    );
    await Promise.all(tries);
    const counted = await db('one_time_codes').where({ user_id: user.id }).sum({ tries: 'tries' }).first();
    t.is(Number(counted?.tries), 15);
    const own = await askAndRead(deps, user);
    t.is(await recover(deps, { recovery_id: own.recovery_id, code: own.code }), 'invalid_code');
    t.is(await guess(db, own.recovery_id, wrongCode(own.code)), null);
    const [{ tries: uncounted } = { tries: -1 }] = await db('one_time_codes').orderBy('id', 'desc').limit(1);
    t.is(uncounted, 0, 'a refused guess does not prolong the refusal');
    await age(db, 86_400 - 60);
    const later = await askAndRead(deps, user);
    t.is(await recover(deps, { recovery_id: later.recovery_id, code: later.code }), 'invalid_code');
    t.is(await recover(deps, { token: later.token }), 'done');
    await age(db, 120);
    const nextDay = await askAndRead(deps, user);
    t.is(await recover(deps, { recovery_id: nextDay.recovery_id, code: nextDay.code }), 'done');
  },
);

testOnStores('fifteen wrong codes spread over a day still close it for a whole day', async (t, { db }) => {
  const deps = await openRecoveryDeps(t, db);
  const user = await makeReachable(db);
  for (let n = 0; n < 3; n += 1) {
    const { recovery_id, code } = await askAndRead(deps, user);
    for (let wrong = 0; wrong < 5; wrong += 1) await guess(db, recovery_id, wrongCode(code));
    if (n < 2) await age(db, 39_600);
  }
  await age(db, 50_400);
  const own = await askAndRead(deps, user);
  t.is(await recover(deps, { recovery_id: own.recovery_id, code: own.code }), 'invalid_code');
});

testOnStores('a request that names somebody else as well is counted for both', async (t, { db }) => {
  const deps = await openRecoveryDeps(t, db);
  const [victim, thief] = [await makeReachable(db), await makeReachable(db)];
  for (let n = 0; n < 4; n += 1) {
    const { recovery_id, code } = await askAndRead(deps, victim);
    const own = await askAndRead(deps, thief, recovery_id);
    for (let wrong = 0; wrong < 5; wrong += 1) await guess(db, recovery_id, wrongCode(code, own.code));
  }
  const last = await askAndRead(deps, victim);
  await ask(deps, thief.email, last.recovery_id);
  t.is(await guess(db, last.recovery_id, last.code), null);
});

testOnStores('asking again, guessing and completing at once never lock each other out', async (t, { db }) => {
  const deps = await openRecoveryDeps(t, db);
  const user = await makeReachable(db);
  const { recovery_id, code, token } = await askAndRead(deps, user);
  const works = Array.from({ length: 10 }, (_, n) => [
    ask(deps, user.email, recovery_id),
    guess(db, recovery_id, wrongCode(code)),
    ...(n === 5 ? [recover(deps, { token })] : []),
  ]);
  const outcomes = await Promise.allSettled(works.flat());
  t.deepEqual(
    outcomes.filter(({ status }) => status === 'rejected'),
    [],
  );
});

testOnStores('guessing for nobody counts like guessing for somebody', async (t, { db }) => {
  const deps = await openRecoveryDeps(t, db);
  const recovery_id = await ask(deps, 'nobody');
  for (let wrong = 0; wrong < 9; wrong += 1) await guess(db, recovery_id, '123456');
  t.true((await rowOf(db('one_time_codes').first())).tries <= 5);
});

testOnStores('what is no code of six digits is wrong, and nothing worse', async (t, { db }) => {
  const deps = await openRecoveryDeps(t, db);
  const user = await makeReachable(db);
  for (const code of [
    '',
    '12345',
    '1234567',
    '٠١٢٣٤٥',
    '0x1234',
    '-12345',
    '123456\n',
    '１２３４５６',
    '%00',
    '1e5',
  ]) {
    const { recovery_id } = await askAndRead(deps, user);
    t.is(await guess(db, recovery_id, code), null, code);
  }
});

testOnStores('a copy of the database gives no code and no link', async (t, { db }) => {
  const deps = await openRecoveryDeps(t, db);
  const user = await makeReachable(db);
  const { recovery_id, code, token } = await askAndRead(deps, user);
  const dump = JSON.stringify([await db('one_time_codes'), await db('outbox'), await db('audit_events')]);
  for (const secret of [recovery_id, token, `"${code}"`]) t.false(dump.includes(secret));
  const stolen = await rowOf(db('one_time_codes').first());
  // Whoever tries all codes needs the key of the server: another one confirms none.
  const strange = createKeyring([otherSecret]);
  t.is(await guessCode(db, strange, { purpose: 'recover', request: recovery_id, code }), null);
  t.is(stolen.link_digest, digest(token));
  for (const value of [stolen.link_digest, stolen.request_digest, stolen.code_mac, stolen.id])
    t.is((await findLink(db, 'recover', String(value))).state, 'unknown');
  t.is(await guess(db, String(stolen.request_digest), code), null);
});

testOnStores('an administrator who unlocks a user forgets the wrong codes as well', async (t, { db }) => {
  const deps = await openRecoveryDeps(t, db);
  const user = await makeReachable(db);
  for (let n = 0; n < 3; n += 1) {
    const { recovery_id, code } = await askAndRead(deps, user);
    for (let wrong = 0; wrong < 5; wrong += 1) await guess(db, recovery_id, wrongCode(code));
  }
  const { recovery_id, code } = await askAndRead(deps, user);
  t.is(await guess(db, recovery_id, code), null);
  await unlockUser(deps, user.id, { actor: 'admin', reason: 'called us' });
  t.truthy(await guess(db, recovery_id, code));
});
