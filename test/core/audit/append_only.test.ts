import { readFile } from 'node:fs/promises';
import { recordEvents } from '../../../src/core/audit/audit.ts';
import { makePartitions, readTrailTable } from '../../../src/core/audit/partitions.ts';
import { sweep } from '../../../src/core/operations/sweep.ts';
import { openDatabase } from '../../../src/core/store/db.ts';
import { after } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';

const auditRetention = 86_400;

testOnStores(
  'no statement can change or delete an event, and the sweep deletes only old ones',
  async (t, { name, db }) => {
    const now = new Date();
    await recordEvents(db, [{ type: 'login_failed', reason: 'old' }], after(now, -2 * auditRetention));
    await recordEvents(db, [{ type: 'login_failed', reason: 'young' }], now);
    const refused = { message: /append-only/ };
    await t.throwsAsync(db('audit_events').update({ reason: 'other' }), refused);
    if (name === 'postgres') {
      await t.throwsAsync(db('audit_events').delete(), refused);
      await t.throwsAsync(db.raw('truncate audit_events'), refused);
      // What the sweep says of itself opens removing for its own transaction, and nothing else.
      await db.transaction(async (tx) => {
        await tx.raw("set local kindred.sweep = 'on'");
        await t.throwsAsync(
          tx.transaction((inner) => inner('audit_events').update({ reason: 'other' })),
          refused,
        );
        await t.throwsAsync(
          tx.transaction((inner) => inner.raw('truncate audit_events')),
          refused,
        );
      });
    }
    t.is((await sweep(db, { auditRetention })).audit_events, 1);
    t.deepEqual(
      (await db('audit_events')).map((event) => event.reason),
      ['young'],
    );
    if (name === 'postgres')
      await t.throwsAsync(db('audit_events').delete(), refused, 'nor does the sweep leave it open behind it');
  },
);

// As docs/operations.md says to do it.
testOnStores(
  'a server without ownership of the audit table works, and cannot make the table writable',
  async (t, { db, url }) => {
    const database = new URL(url).pathname.slice(1);
    const [owner, server] = [`owner_${database}`, `server_${database}`];
    await db.raw(`create role ${server} login password 'of-this-test'`);
    await db.raw(`grant all on all tables in schema public to ${server}`);
    const partitions = ['audit_events_first', 'audit_events_default'];
    await db.raw(`revoke all on audit_events, ${partitions.join(', ')} from ${server}`);
    const docs = await readFile(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
    const [, chapter = ''] = docs.split('## The audit trail');
    const [, statements = ''] = chapter.split(/```sql|```/);
    t.regex(statements, /alter table audit_events owner to kindred_owner/);
    await db.raw(statements.replaceAll('kindred_owner', owner).replaceAll(/\bto kindred;/g, `to ${server};`));
    const own = openDatabase(
      Object.assign(new URL(url), { username: server, password: 'of-this-test' }).href,
    );
    try {
      await recordEvents(
        own,
        [{ type: 'login_failed', reason: 'old' }],
        after(new Date(), -2 * auditRetention),
      );
      for (const attempt of [
        'delete from audit_events',
        "update audit_events set reason = 'other'",
        'truncate audit_events',
        'alter table audit_events disable trigger all',
        'drop trigger audit_events_append_only on audit_events',
        'drop table audit_events',
        ...partitions.flatMap((name) => [
          `delete from ${name}`,
          `update ${name} set reason = 'other'`,
          `truncate ${name}`,
          `alter table ${name} disable trigger all`,
          `alter table audit_events detach partition ${name}`,
          `drop table ${name}`,
        ]),
        'create or replace function audit_events_refuse() returns trigger language plpgsql as $$ begin return old; end $$',
      ]) {
        await t.throwsAsync(
          own.raw(attempt),
          { message: /append-only|permission denied|must be owner/ },
          attempt,
        );
      }
      t.is((await sweep(own, { auditRetention })).audit_events, 1);
      await makePartitions(db, new Date('2035-01-01'));
      const { partitions: all = [] } = (await readTrailTable(own)) ?? {};
      t.is(all.length, 5);
      t.deepEqual([...new Set(all.map((one) => one.owner))], [owner], 'as new ones, which a superuser makes');
      t.deepEqual(
        all.filter((one) => one.is_readable),
        [],
      );
    } finally {
      await own.destroy();
      await db.raw(`drop owned by ${owner}, ${server} cascade`);
      await db.raw(`drop role ${owner}, ${server}`);
    }
  },
  ['postgres'],
);
