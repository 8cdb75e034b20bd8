// Mails of the outbox, sent to a real mail server, and what becomes of those that it does not take.
import type { Knex } from 'knex';
import { enqueueMail, type NewMail } from '../../src/core/mail/mails.ts';
import { type MessageRow, setOutboxKeyring } from '../../src/core/outbox/outbox.ts';
import { keyring } from '../helpers/builders.ts';
import { headerOf, testOnOwnMailServers, testWithMail } from '../helpers/mail_server.ts';
import { until } from '../helpers/until.ts';

const source = { ip: '203.0.113.7', user_agent: 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0' };

async function enqueue(db: Knex, mail: Partial<NewMail> & { to: string }): Promise<void> {
  setOutboxKeyring(db, keyring);
  const at = new Date('2026-05-03T12:03:00Z');
  await enqueueMail(db, {
    kind: 'recover',
    isProved: true,
    path: '/recover/secret',
    code: '123456',
    source,
    at,
    ...mail,
  });
}

testWithMail(
  'a mail says what, when, from where, and has one link in both forms',
  async (t, server, mail) => {
    const to = `ada-${server.store}@example.test`;
    await enqueue(server.db, { to, zoneinfo: 'Europe/Berlin', facts: { name: 'Ada' } });
    const [got] = await mail.to(to);
    t.is(got?.subject, '123456 is your code to set a new Kindred password');
    t.is(got?.from, 'login@id.example');
    t.is(got?.code, '123456');
    t.deepEqual(got?.links, [`${server.issuer}/recover/secret`]);
    t.regex(got?.text ?? '', /^Time: 3 May 2026 at 14:03 \(Europe\/Berlin\)$/m);
    t.regex(got?.text ?? '', /^Device: Firefox on Linux$/m);
    t.regex(got?.text ?? '', /^Network address: 203\.0\.113\.7$/m);
    t.true(got?.html.includes(`href="${server.issuer}/recover/secret"`));
    await until(
      async () => (await server.db('outbox').where({ kind: 'mail' })).length === 0,
      'it is settled',
    );
  },
);

testOnOwnMailServers(
  'a refusal for good ends a mail, one for now postpones it',
  {
    smtp: {
      onRcptTo({ address }, _session, done) {
        const refusal = { 'gone@example.test': 550, 'later@example.test': 451 }[address];
        if (refusal) done(Object.assign(new Error('no'), { responseCode: refusal }));
        else done();
      },
    },
  },
  async (t, { db }) => {
    await enqueue(db, { to: 'gone@example.test' });
    await enqueue(db, { to: 'later@example.test' });
    await until(async () => (await db('outbox').whereNotNull('last_error')).length === 2, 'both were tried');
    const rows = await db('outbox').orderBy('id');
    t.deepEqual(
      rows.map(({ state, attempts, last_error }) => ({ state, attempts, last_error })),
      [
        { state: 'dead', attempts: 1, last_error: 'SMTP 550' },
        { state: 'waiting', attempts: 1, last_error: 'SMTP 451' },
      ],
    );
  },
);

/** The rows of the outbox, as far as these tests look at them. */
async function outcomes(db: Knex) {
  const found = await db('outbox').orderBy('id');
  return found.map(({ state, attempts, last_error }) => ({ state, attempts, last_error }));
}

/** What the mail servers have not answered yet, by the recipient. */
const held = new Map<string, () => void>();

testOnOwnMailServers(
  'a mailbox that hangs delays no other mail',
  {
    smtp: {
      onRcptTo({ address }, _session, done) {
        if (address.startsWith('slow')) held.set(address, () => done());
        else done();
      },
    },
  },
  async (t, { db, store }, mail) => {
    const to = `slow-${store}@example.test`;
    await enqueue(db, { to });
    await until(() => held.has(to), 'the slow one is under way');
    for (let i = 0; i < 30; i += 1) await enqueue(db, { to: `ada${i}@example.test` });
    await until(() => mail.mails.length === 30, 'all others have come');
    await until(async () => (await outcomes(db)).length === 1, 'all others are settled');
    t.deepEqual(await outcomes(db), [{ state: 'waiting', attempts: 1, last_error: null }]);
    held.get(to)?.();
    await mail.to(to);
    await until(async () => (await outcomes(db)).length === 0, 'all are settled');
  },
);

testOnOwnMailServers(
  'a mail whose code has died is dropped, and is never sent',
  { settings: { LOG_LEVEL: 'silent' } },
  async (t, { db }, mail) => {
    await enqueue(db, {
      kind: 'invite',
      to: 'late@example.test',
      code: null,
      expires_at: new Date(Date.now() - 1_000),
    });
    await until(async () => (await outcomes(db)).length === 0, 'it is dropped');
    await enqueue(db, { to: 'next@example.test' });
    await mail.to('next@example.test');
    t.deepEqual(
      mail.mails.map(({ to }) => to),
      [['next@example.test']],
    );
  },
);

testOnOwnMailServers(
  'an address that is not plain is never given to the mail server, and its mail is dead at once',
  { settings: { LOG_LEVEL: 'silent' } },
  async (t, { db }, mail) => {
    const addresses = [
      'ada@example.test, eve@example.test',
      'ada@example.test\r\nBcc: eve@example.test',
      'Ada <ada@example.test>',
      '"ada"@example.test',
      'ada(eve)@example.test',
      'ada@example.test>',
      'ada@[127.0.0.1]',
      'ada@eve@example.test',
      'a da@example.test',
      '@example.test',
      '',
    ];
    for (const to of addresses) await enqueue(db, { to });
    await until(
      async () => (await db('outbox').where({ state: 'dead' })).length === addresses.length,
      'all are dead',
    );
    t.deepEqual(
      new Set((await outcomes(db)).map(({ attempts, last_error }) => `${attempts} ${last_error}`)),
      new Set(['1 not a plain address']),
    );
    t.is(mail.mails.length, 0);
  },
);

// A claim that is over without an error is what a crash leaves behind, before or after the mail server took the mail.
async function crash(db: Knex, row: MessageRow | undefined, attempts: number): Promise<void> {
  if (row) await db('outbox').insert({ ...row, attempts, last_error: null, next_attempt_at: new Date(0) });
}

testOnOwnMailServers(
  'a crash between the answer of the mail server and the commit sends a mail twice, with one Message-ID; a second one no third time',
  { settings: { LOG_LEVEL: 'silent' } },
  async (t, { db }, mail) => {
    await enqueue(db, { to: 'twice@example.test' });
    const [row] = await db('outbox');
    await mail.to('twice@example.test');
    await until(async () => (await outcomes(db)).length === 0, 'it is settled');
    // The commit of the first node is lost with it.
    await crash(db, row, 1);
    const [first, second] = await mail.to('twice@example.test', 2);
    t.true(headerOf(first?.raw ?? '', 'Message-ID').startsWith(`<${row?.id}@`));
    t.is(headerOf(second?.raw ?? '', 'Message-ID'), headerOf(first?.raw ?? '', 'Message-ID'));
    await until(async () => (await outcomes(db)).length === 0, 'the second is settled');
    await crash(db, row, 2);
    await until(async () => (await db('outbox').where({ state: 'dead' })).length === 1, 'it is given up');
    t.deepEqual(await outcomes(db), [{ state: 'dead', attempts: 3, last_error: 'interrupted twice' }]);
    t.is(mail.mails.length, 2);
  },
);
