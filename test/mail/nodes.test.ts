// Several nodes, and one that crashes: who sends a mail, and how often.
import type { Knex } from 'knex';
import { enqueueMail } from '../../src/core/mail/mails.ts';
import { setOutboxKeyring } from '../../src/core/outbox/outbox.ts';
import { keyring } from '../helpers/builders.ts';
import { headerOf, mailSettings, startMailServer } from '../helpers/mail_server.ts';
import { runServerProcess, startTestServer } from '../helpers/server.ts';
import { testOnStores } from '../helpers/stores.ts';
import { dumpText } from '../helpers/tables.ts';
import { until } from '../helpers/until.ts';

const secret = 'S'.repeat(43);

async function enqueue(db: Knex, to: string): Promise<void> {
  setOutboxKeyring(db, keyring);
  await enqueueMail(db, {
    kind: 'recover',
    to,
    isProved: true,
    code: '493817',
    path: `/recover/${secret}`,
    at: new Date(),
  });
}

testOnStores(
  'two nodes send each mail once, and a dump of the waiting ones tells nothing',
  async (t, store) => {
    const { db } = store;
    const mail = await startMailServer(t);
    const addresses = Array.from({ length: 60 }, (_, i) => `Ada${i}@example.test`);
    for (const to of addresses) await enqueue(db, to);
    const dump = await dumpText(db);
    for (const told of ['493817', secret, '/recover/', '@example.test'])
      t.false(
        [told, Buffer.from(told).toString('base64')].some((one) => dump.includes(one)),
        told,
      );
    for (let node = 0; node < 2; node += 1) await startTestServer(t, store, mailSettings(mail));
    await until(async () => (await db('outbox').first('id')) === undefined, 'all are settled');
    t.deepEqual(mail.mails.flatMap(({ to }) => to).toSorted(), addresses.toSorted());
  },
);

testOnStores(
  'a node that is killed after the mail server took a mail: another one sends it once more',
  async (t, store) => {
    const { db } = store;
    const kill = Promise.withResolvers<() => Promise<void>>();
    const mail = await startMailServer(t, {
      // The whole mail has come; its answer never reaches the node.
      onData: (stream, _session, done) =>
        stream.resume().on('end', async () => {
          await (await kill.promise)();
          done();
        }),
    });
    const node = await runServerProcess(store.url, mailSettings(mail));
    kill.resolve(node.kill);
    await enqueue(db, 'ada@example.test');
    await until(() => !node.isAlive(), 'the node is dead');
    const [left] = await db('outbox').select('state', 'attempts', 'last_error');
    t.deepEqual(left, { state: 'waiting', attempts: 1, last_error: null });
    const next = await startMailServer(t);
    await db('outbox').update({ next_attempt_at: new Date(0) });
    const { issuer } = await startTestServer(t, store, mailSettings(next));
    const [row] = await db('outbox').select('id');
    const [got] = await next.to('ada@example.test');
    t.regex(headerOf(got?.raw ?? '', 'Message-ID'), new RegExp(`^<.{36}@${new URL(issuer).hostname}>$`));
    t.true(row === undefined || got?.raw.includes(row.id));
    await until(async () => (await db('outbox').first('id')) === undefined, 'it is settled');
    t.is(next.mails.length, 1);
  },
);
