// The migration that partitions the audit trail on Postgres, beside a server that writes and however often it is broken off.
import type { ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import { down, up } from '../../../migrations/014_audit_partitions.ts';
import { recordEvents } from '../../../src/core/audit/audit.ts';
import { rows } from '../../../src/core/store/db.ts';
import { isMigrated, migrate } from '../../../src/core/store/migrate.ts';
import { runChild } from '../../helpers/child.ts';
import { type Store, testOnStores } from '../../helpers/stores.ts';
import { dumpText, readTables } from '../../helpers/tables.ts';
import { until } from '../../helpers/until.ts';

const migration = '014_audit_partitions.ts';
const dieMigrating = new URL('children/die_migrating.ts', import.meta.url);
const refused = { message: /audit_events is append-only/ };

/** Takes the database back to before the migration, with events of several years, one of them by a clock that was wrong. */
async function goBack({ db }: Store): Promise<void> {
  await down(db);
  await db('knex_migrations').where({ name: migration }).delete();
  for (const at of ['2021-05-05', '2025-12-31', new Date().toISOString(), '2099-01-01'])
    await recordEvents(
      db,
      [{ type: 'login_failed', reason: at, client_id: 'app', detail: { at } }],
      new Date(at),
    );
}

async function eventsOf(db: Knex): Promise<object[]> {
  return await db('audit_events').orderBy('id');
}

interface Part {
  name: string;
  bound: string;
  reasons: string[];
}

async function partsOf(db: Knex): Promise<Part[]> {
  const found = await rows<{ name: string; bound: string }>(
    db,
    `select c.relname as name, pg_get_expr(c.relpartbound, c.oid) as bound from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = 'audit_events'::regclass order by name`,
  );
  const parts: Part[] = [];
  for (const part of found) {
    const events = await rows<{ reason: string }>(db, `select reason from ${part.name} order by id`);
    parts.push({ ...part, reasons: events.map(({ reason }) => reason.slice(0, 4)) });
  }
  return parts;
}

async function assertPartitioned(t: ExecutionContext, db: Knex): Promise<void> {
  const [rest, first, ...others] = await partsOf(db);
  t.deepEqual(others, []);
  t.deepEqual(rest, { name: 'audit_events_default', bound: 'DEFAULT', reasons: ['2099'] });
  t.like(first, {
    name: 'audit_events_first',
    reasons: ['2021', '2025', String(new Date().getFullYear())],
  });
  t.regex(
    first?.bound ?? '',
    /^FOR VALUES FROM \(MINVALUE\) TO \('0[0-9a-f]{7}-[0-9a-f]{4}-0000-0000-000000000000'\)$/,
  );
  const indexes = await rows<{ name: string; of: string }>(
    db,
    `select i.indexrelid::regclass::text as name, pg_partition_root(i.indexrelid)::text as of from pg_index i
     where i.indrelid = 'audit_events_first'::regclass order by name`,
  );
  t.deepEqual(
    indexes,
    ['client', 'pkey', 'session', 'type', 'user'].map((of) => ({
      name: `audit_events_first_${of}`,
      of: `audit_events_${of}`,
    })),
    'the indexes of the table are kept',
  );
}

testOnStores(
  'the trail is partitioned with all its events, wherever a run is killed',
  async (t, store) => {
    const { db, url } = store;
    await goBack(store);
    const before = await eventsOf(db);
    t.is(before.length, 4);
    for (const step of [
      'create table if not exists audit_events_default',
      'validate constraint',
      'rename to audit_events_first',
      'attach partition audit_events_default',
      'insert into "knex_migrations"',
    ]) {
      const killed = await runChild(dieMigrating, [url, step]);
      t.is(killed.signal, 'SIGKILL', `${step}: ${killed.stderr}`);
      t.false(await isMigrated(db));
      await recordEvents(db, [{ type: 'login_failed', reason: String(new Date().getFullYear()) }]);
    }
    t.deepEqual(await migrate(url), [migration]);
    t.true(await isMigrated(db));
    const reasons = (await eventsOf(db)).length;
    t.is(reasons, before.length + 5);
    t.deepEqual(
      (await partsOf(db)).map(({ name, reasons: found }) => [name, found.length]),
      [
        ['audit_events_default', 1],
        ['audit_events_first', 8],
      ],
    );
  },
  ['postgres'],
);

testOnStores(
  'every partition is append-only, with the owner and the rights of the table that was partitioned',
  async (t, store) => {
    const { db, url } = store;
    await goBack(store);
    const suffix = new URL(url).pathname.slice(1);
    const [owner, reader] = [`owner_${suffix}`, `reader_${suffix}`];
    t.teardown(async () => {
      await db.raw(`drop owned by ${owner}, ${reader} cascade`);
      await db.raw(`drop role ${owner}, ${reader}`);
    });
    await db.raw(`create role ${owner} nologin`);
    await db.raw(`create role ${reader} nologin`);
    await db.raw(`alter table audit_events owner to ${owner}`);
    await db.raw(`grant select on audit_events to ${reader} with grant option`);
    await db.raw(`grant insert on audit_events to public`);
    await db.raw(`alter default privileges grant update on tables to ${reader}`);
    const rightsOf = async (table: string) =>
      await rows(
        db,
        'select relowner::regrole::text as owner, relacl::text as rights from pg_class where oid = cast(:table as regclass)',
        { table },
      );
    const before = await rightsOf('audit_events');
    await up(db);
    await assertPartitioned(t, db);
    for (const table of ['audit_events', 'audit_events_first'])
      t.deepEqual(await rightsOf(table), before, table);
    t.like((await rightsOf('audit_events_default'))[0], { owner });
    for (const table of ['audit_events', 'audit_events_first', 'audit_events_default']) {
      await t.throwsAsync(db.raw(`update ${table} set reason = 'other'`), refused, table);
      await t.throwsAsync(db.raw(`delete from ${table}`), refused, table);
      await t.throwsAsync(db.raw(`truncate ${table}`), refused, table);
    }
  },
  ['postgres'],
);

testOnStores(
  'a role that does not own the trail is told which role has to migrate',
  async (t, store) => {
    await goBack(store);
    const role = `other_${new URL(store.url).pathname.slice(1)}`;
    const refusal = store.db.transaction(async (tx) => {
      await tx.raw(`create role ${role}`);
      await tx.raw(`set local role ${role}`);
      await up(tx);
    });
    await t.throwsAsync(refusal, {
      message: /^the role other_\w+ does not own .* of the role postgres or of a superuser$/,
    });
  },
  ['postgres'],
);

testOnStores(
  'while the trail is in use the migration lets writers pass again and again',
  async (t, store) => {
    const { db } = store;
    await goBack(store);
    let running: Promise<void> | null = null;
    await db.transaction(async (tx) => {
      await tx('audit_events').first('id');
      running = up(db);
      const isWaiting = async () =>
        (
          await rows(
            db,
            `select 1 from pg_locks where mode = 'AccessExclusiveLock' and not granted
             and database = (select oid from pg_database where datname = current_database())`,
          )
        ).length > 0;
      await until(isWaiting, 'the migration waits');
      await recordEvents(db, [{ type: 'login_failed', reason: String(new Date().getFullYear()) }]);
      t.is((await partsOf(db)).length, 0, 'the event was written before the trail was partitioned');
    });
    await running;
    t.deepEqual(
      (await partsOf(db)).map(({ reasons }) => reasons.length),
      [1, 4],
    );
  },
  ['postgres'],
);

testOnStores('the migration can be taken back, and changes nothing on SQLite', async (t, store) => {
  const { db } = store;
  await goBack(store);
  const before = await dumpText(db);
  await up(db);
  if (store.name === 'postgres') await assertPartitioned(t, db);
  t.is(await dumpText(db), before);
  await down(db);
  t.is(await dumpText(db), before);
  t.deepEqual(
    Object.keys(await readTables(db)).filter((name) => name.startsWith('audit')),
    ['audit_events'],
  );
  await t.throwsAsync(db('audit_events').update({ reason: 'other' }), refused);
  if (store.name === 'postgres') await t.throwsAsync(db.raw('truncate audit_events'), refused);
});
