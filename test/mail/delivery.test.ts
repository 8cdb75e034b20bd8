// Mails of the outbox, sent to a real mail server, and what becomes of those that it does not take.
import type { Knex } from 'knex';
import { enqueueMail, type NewMail } from '../../src/core/mail/mails.ts';
import { setOutboxKeyring } from '../../src/core/outbox/outbox.ts';
import { keyring } from '../helpers/builders.ts';
import { testOnOwnMailServers, testWithMail } from '../helpers/mail_server.ts';
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
