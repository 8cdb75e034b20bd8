// Notices: who is told, with a link for each mailbox.
import type { Knex } from 'knex';
import { enqueueNotice, type NoticeKind } from '../../../src/core/mail/notices.ts';
import { issueCode } from '../../../src/core/one_time_codes/one_time_codes.ts';
import { isAddressReserved } from '../../../src/core/one_time_codes/reserved_addresses.ts';
import { findLink } from '../../../src/core/one_time_codes/spend.ts';
import type { User } from '../../../src/core/users/users.ts';
import { keyring, makeUser, openTestSession, present, source } from '../../helpers/builders.ts';
import { enableMail, secretOf, waitingMails } from '../../helpers/outbox_mails.ts';
import { rotate } from '../../helpers/rotate.ts';
import { statementsOf } from '../../helpers/statements.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { untilTime } from '../../helpers/until.ts';

async function makeFormer(db: Knex, user: User, address: string): Promise<void> {
  await untilTime(Date.now() + 2); // ids of one millisecond are in no order
  await db.transaction((tx) => issueCode(tx, keyring, { purpose: 'undo_email', user, address }));
}

async function told(db: Knex, user: User, kind: NoticeKind = 'password_changed'): Promise<string[]> {
  await db.transaction((tx) => enqueueNotice(tx, user, kind, { source }));
  const mails = await waitingMails(db);
  await db('outbox').delete();
  return mails.map(({ to }) => to);
}

testOnStores(
  'a notice goes to the verified address and to former ones, each with its own link',
  async (t, { db }) => {
    enableMail(db);
    const user = await makeUser(db, {
      email: 'now@x.example',
      email_verified: true,
      claims: { zoneinfo: 'Asia/Tokyo' },
    });
    await makeFormer(db, user, 'First@x.example');
    await makeFormer(db, user, 'second@x.example');
    await makeFormer(db, user, 'first@x.example');
    await db.transaction((tx) => enqueueNotice(tx, user, 'password_changed', { source }));
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
      ['now@x.example', 'First@x.example', 'second@x.example'].map((to) => ({
        kind: 'password_changed',
        to,
        isProved: true,
        zoneinfo: 'Asia/Tokyo',
        facts: { name: user.username },
        from: { ip: source.ip, user_agent: source.user_agent },
      })),
    );
    for (const mail of mails) {
      t.regex(mail.path ?? '', /^\/not-me\/[\w-]{43}$/);
      const { state, code } = await findLink(db, 'not_me', secretOf(mail));
      t.deepEqual([state, code?.address, code?.user_id], ['alive', mail.to, user.id]);
    }
  },
);

testOnStores(
  'nothing is sent to an address that nobody has proved, nor of a kind that is turned off',
  async (t, { db }) => {
    enableMail(db, ['recovered']);
    const unproved = await makeUser(db, { email: 'unproved@x.example' });
    const proved = await makeUser(db, { email: 'proved@x.example', email_verified: true });
    t.deepEqual(await told(db, unproved, 'recovered'), []);
    t.deepEqual(await told(db, proved, 'recovered'), ['proved@x.example']);
    t.deepEqual(await told(db, proved, 'password_changed'), []);
    t.deepEqual(await told(db, proved, 'password_set_by_admin'), ['proved@x.example']);
    const sent = await statementsOf(db, () =>
      db.transaction((tx) => enqueueNotice(tx, proved, 'new_device')),
    );
    t.is(sent.length, 2, 'BEGIN and COMMIT alone');
  },
);

testOnStores(
  'a former address is reserved for its user until its link was used, has expired or the user is deleted',
  async (t, { db }) => {
    const user = await makeUser(db);
    const other = await makeUser(db);
    await makeFormer(db, user, 'Old@x.example');
    t.true(await isAddressReserved(db, 'old@x.example'));
    t.true(await isAddressReserved(db, 'old@x.example', other.id));
    t.false(await isAddressReserved(db, 'old@x.example', user.id));
    t.false(await isAddressReserved(db, 'another@x.example'));
    await db('one_time_codes').update({ expires_at: new Date(Date.now() - 60_000) });
    t.false(await isAddressReserved(db, 'old@x.example'));
    await makeFormer(db, user, 'old@x.example');
    await db('users').where({ id: user.id }).update({ status: 'deleted' });
    t.false(await isAddressReserved(db, 'old@x.example'));
  },
);

testOnStores(
  'a reused refresh token is told once, in the transaction that ends the session',
  async (t, { db }) => {
    enableMail(db);
    const user = await makeUser(db, { email: 'reused@x.example', email_verified: true });
    const session = await openTestSession(db, { user });
    for (const outcome of ['rotated', 'reused', 'ended'] as const)
      t.is((await rotate(db, present(session, 0))).outcome, outcome);
    t.deepEqual(
      (await waitingMails(db)).map(({ kind, to }) => [kind, to]),
      [['reuse_detected', 'reused@x.example']],
    );
  },
);
