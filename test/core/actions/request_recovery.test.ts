// Asking for a recovery: who gets a mail, what everybody else notices of it, and how many mails there are.
import { changeUserStatus } from '../../../src/core/actions/user_status.ts';
import type { NewUser } from '../../../src/core/users/user_changes.ts';
import { AppError } from '../../../src/lib/errors.ts';
import { makeUser, source } from '../../helpers/builders.ts';
import { waitingMails } from '../../helpers/outbox_mails.ts';
import {
  ask,
  askAndRead,
  fresh,
  mailedTo,
  makeReachable,
  openRecoveryDeps,
  recover,
} from '../../helpers/recovery.ts';
import { statementsOf } from '../../helpers/statements.ts';
import { testOnStores } from '../../helpers/stores.ts';

testOnStores(
  'a mail goes to the stored address, by the username and by any spelling of the address',
  async (t, { db }) => {
    const deps = await openRecoveryDeps(t, db);
    const user = await makeReachable(db, { claims: { zoneinfo: 'Asia/Tokyo' } });
    await ask(deps, user.username.toUpperCase());
    await ask(deps, user.email.toUpperCase());
    const mails = await waitingMails(db);
    t.deepEqual(
      mails.map(({ kind, to, isProved, zoneinfo, facts, source: from }) => ({
        kind,
        to,
        isProved,
        zoneinfo,
        facts,
        from,
      })),
      [1, 2].map(() => ({
        kind: 'recover',
        to: user.email,
        isProved: true,
        zoneinfo: 'Asia/Tokyo',
        facts: { name: user.username },
        from: { ip: source.ip, user_agent: source.user_agent },
      })),
    );
    for (const { code, path } of mails) {
      t.regex(code ?? '', /^\d{6}$/);
      t.regex(path ?? '', /^\/recover\/[\w-]{43}$/);
    }
  },
);

const beginningOf = (sql: string) => sql.replaceAll(/["`]/g, '').slice(0, 20);

const unreachable: Record<string, Partial<NewUser> | null> = {
  nobody: null,
  unproved: { email_verified: false },
  'without an address': { email: null, email_verified: false },
};

testOnStores(
  'those who get no mail cost the same statements, and get a handle as well',
  async (t, { db }) => {
    const deps = await openRecoveryDeps(t, db);
    const logins = new Map<string, string>();
    for (const [title, given] of Object.entries(unreachable))
      logins.set(title, given ? (await makeReachable(db, given)).username : `nobody-${title}`);
    for (const status of ['banned', 'disabled', 'deleted'] as const) {
      const { id, username } = await makeReachable(db);
      await changeUserStatus(db, id, { status, actor: 'admin' });
      logins.set(status, username);
    }
    const brief = await makeReachable(db);
    const ban_expires_at = new Date(Date.now() + 3_600_000);
    await changeUserStatus(db, brief.id, { status: 'banned', ban_expires_at, actor: 'admin' });
    logins.set('banned for an hour', brief.username);
    await db('outbox').delete();
    const known = await makeReachable(db);
    const own = await statementsOf(db, async () => void (await ask(deps, known.username)));
    t.is((await waitingMails(db)).length, 1);
    for (const [title, login] of logins) {
      const sent = await statementsOf(db, async () => t.regex(await ask(deps, login), /^[\w-]{43}$/));
      t.deepEqual(
        // SQLite writes as much as for a mail, and takes it back.
        sent.map(beginningOf).filter((sql) => !sql.startsWith('delete from outbox')),
        own.map((sql) => beginningOf(sql)),
        title,
      );
    }
    t.is((await waitingMails(db)).length, 1);
  },
);

testOnStores('the codes of those who have no mail open nothing', async (t, { db }) => {
  const deps = await openRecoveryDeps(t, db);
  const { username } = await makeUser(db, { email: 'unproved@mail.example' });
  await ask(deps, username);
  await ask(deps, 'nobody@mail.example');
  const codes = await db('one_time_codes');
  t.deepEqual(
    codes.map(({ user_id, address, address_key }) => ({ user_id, address, address_key })),
    codes.map(() => ({ user_id: null, address: null, address_key: null })),
  );
});

testOnStores(
  'after its mails of an hour a mailbox gets none, and the codes that are out stay good',
  async (t, { db }) => {
    const deps = await openRecoveryDeps(t, db, { mail: { points: 4, seconds: 7_200 } });
    const user = await makeReachable(db);
    const own = await askAndRead(deps, user);
    for (let stranger = 0; stranger < 5; stranger += 1)
      await ask(deps, user.email, null, `203.0.113.${stranger}`);
    const mails = await waitingMails(db);
    t.is(mails.length, 4);
    t.deepEqual(
      mails.map(({ isLast }) => isLast),
      [false, false, false, true],
    );
    // Nor does the owner's own wish for another mail take a code away.
    t.is(await ask(deps, user.email, own.recovery_id), own.recovery_id);
    const [, , , last] = await db('one_time_codes').orderBy('id');
    const lives = (Number(last?.expires_at) - Number(last?.created_at)) / 1000;
    t.true(
      lives > 7_100 && lives <= 7_200,
      `the link of the last mail lives until the next one may come: ${lives} s`,
    );
    t.is(await recover(deps, { recovery_id: own.recovery_id, code: own.code }, fresh), 'done');
  },
);

testOnStores('the link of the last mail works when its codes are long dead', async (t, { db }) => {
  const deps = await openRecoveryDeps(t, db, { mail: { points: 1, seconds: 7_200 } });
  const user = await makeReachable(db);
  const { token, code, recovery_id } = await askAndRead(deps, user);
  const shift = (at: Date | null) => new Date(Number(at) - 5_400_000);
  for (const row of await db('one_time_codes'))
    await db('one_time_codes')
      .where({ id: row.id })
      .update({
        created_at: shift(row.created_at),
        code_expires_at: shift(row.code_expires_at),
        expires_at: shift(row.expires_at),
      });
  t.is(await recover(deps, { recovery_id, code }), 'invalid_code');
  t.is(await recover(deps, { token }), 'done');
});

testOnStores('a network that asks too often is refused, for whomever it asks', async (t, { db }) => {
  const deps = await openRecoveryDeps(t, db, { mailAddress: { points: 3, seconds: 600 } });
  const user = await makeReachable(db);
  await ask(deps, user.email);
  await ask(deps, 'nobody');
  await ask(deps, user.email);
  for (const login of [user.email, 'nobody', 'somebody@mail.example']) {
    const refused = await t.throwsAsync(ask(deps, login), { instanceOf: AppError });
    t.is(refused?.code, 'rate_limited');
  }
  t.is((await mailedTo(db, user.email)).length, 2);
  await ask(deps, user.email, null, '203.0.113.9');
  t.is((await mailedTo(db, user.email)).length, 3);
});

testOnStores('each request is in the trail, with why no mail went out', async (t, { db }) => {
  const deps = await openRecoveryDeps(t, db, { mail: { points: 1, seconds: 600 } });
  const user = await makeReachable(db);
  await ask(deps, user.email);
  await ask(deps, user.email);
  await ask(deps, 'nobody');
  await deps.audit.close();
  const events = await db('audit_events').where({ type: 'recovery_requested' }).orderBy('id');
  t.deepEqual(
    events.map(({ user_id, reason, ip }) => [user_id, reason, ip].join()).toSorted(),
    [
      [user.id, null, source.ip].join(),
      [user.id, 'mail_limited', source.ip].join(),
      [null, 'no_address', source.ip].join(),
    ].toSorted(),
  );
});
