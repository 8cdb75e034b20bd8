// The partitions of the trail on Postgres: made ahead of time, dropped after the retention, and never open to changes.
import { recordEvents } from '../../../src/core/audit/audit.ts';
import { dropPartitions, makePartitions, readTrailTable } from '../../../src/core/audit/partitions.ts';
import { checkTrail } from '../../../src/core/operations/doctor_trail.ts';
import { sweep } from '../../../src/core/operations/sweep.ts';
import { type Db, openDatabase, rows } from '../../../src/core/store/db.ts';
import { firstIdOf } from '../../../src/lib/ids.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { until } from '../../helpers/until.ts';

const day = 86_400;
const refused = { message: /audit_events is append-only/ };
const postgres = ['postgres' as const];

async function record(db: Db, ...days: string[]): Promise<void> {
  for (const one of days) await recordEvents(db, [{ type: 'login_failed', reason: one }], new Date(one));
}

/** The reasons of the events of each partition. */
async function eventsByPartition(db: Db): Promise<Record<string, string[]>> {
  const { partitions = [] } = (await readTrailTable(db)) ?? {};
  const found = await rows<{ name: string; reason: string }>(
    db,
    'select tableoid::regclass::text as name, reason from audit_events order by id',
  );
  const of = (name: string) => found.filter((one) => one.name === name).map(({ reason }) => reason);
  return Object.fromEntries(partitions.map(({ name }) => [name, of(name)]));
}

testOnStores(
  'the sweep makes the partitions of this month and the next two, once',
  async (t, { db }) => {
    const now = new Date('2030-11-30T23:59:00Z');
    await record(db, '2030-11-05', '2030-12-31', '2031-01-31T23:59:59.999Z', '2031-02-01', '2090-01-01');
    for (const at of [now, now, new Date('2030-11-01T00:00:00Z')])
      await sweep(db, { auditRetention: 400 * day }, at);
    const expected = {
      audit_events_2030_11: ['2030-11-05'],
      audit_events_2030_12: ['2030-12-31'],
      audit_events_2031_01: ['2031-01-31T23:59:59.999Z'],
      audit_events_default: ['2031-02-01', '2090-01-01'],
    };
    t.deepEqual(
      await eventsByPartition(db),
      expected,
      'events of these months have moved out of the default one',
    );
    const [table] = await rows<{ owner: string }>(db, 'select current_user as owner');
    for (const [name, [reason]] of Object.entries(expected)) {
      await t.throwsAsync(db.raw(`update ${name} set reason = 'other'`), refused, name);
      await t.throwsAsync(db.raw(`delete from ${name}`), refused, name);
      await t.throwsAsync(db.raw(`truncate ${name}`), refused, name);
      await t.throwsAsync(
        db.transaction(async (tx) => {
          await tx.raw("set local kindred.sweep = 'on'");
          await tx.raw('update audit_events set reason = ? where reason = ?', ['other', reason ?? '']);
        }),
        refused,
      );
      const indexes = await rows(db, 'select 1 from pg_index where indrelid = cast(:name as regclass)', {
        name,
      });
      t.is(indexes.length, 5, name);
    }
    t.true((await readTrailTable(db))?.partitions.every(({ owner }) => owner === table?.owner));
  },
  postgres,
);

testOnStores(
  'two processes make the same partitions at once, and a table of the name of one is left alone',
  async (t, { db }) => {
    await db.raw('create table audit_events_2030_06 (id uuid)');
    const at = new Date('2030-05-06');
    await Promise.all([makePartitions(db, at), makePartitions(db, at)]);
    const names = (await readTrailTable(db))?.partitions.map(({ name }) => name);
    t.deepEqual(names, [
      'audit_events_2030_05',
      'audit_events_2030_07',
      'audit_events_default',
      'audit_events_first',
    ]);
  },
  postgres,
);

testOnStores(
  'a month with too many events in the default partition stays there, and others are made',
  async (t, { db }) => {
    const from = firstIdOf(new Date('2030-05-05'));
    await db.raw(
      `insert into audit_events (id, created_at, type)
       select cast(left(?, 24) || lpad(to_hex(n), 12, '0') as uuid), now(), 'login_failed' from generate_series(1, 10001) n`,
      [from],
    );
    await makePartitions(db, new Date('2030-05-06'));
    const names = (await readTrailTable(db))?.partitions.map(({ name }) => name);
    t.deepEqual(names, [
      'audit_events_2030_06',
      'audit_events_2030_07',
      'audit_events_default',
      'audit_events_first',
    ]);
  },
  postgres,
);

testOnStores(
  'a month past the retention goes with its partition, the old events of a mixed month go by row',
  async (t, { db }) => {
    const auditRetention = 30 * day;
    await makePartitions(db, new Date('2030-01-15'));
    await record(db, '2030-01-01', '2030-01-31', '2030-02-01', '2030-02-20', '1990-01-01');
    const before = (await readTrailTable(db))?.partitions.length;
    const now = new Date('2030-03-10');
    const dry = await sweep(db, { auditRetention, dryRun: true }, now);
    t.is((await readTrailTable(db))?.partitions.length, before);
    const swept = await sweep(db, { auditRetention }, now);
    t.deepEqual([swept.audit_events, dry.audit_events], [4, 4]);
    t.deepEqual(await eventsByPartition(db), {
      audit_events_2030_02: ['2030-02-20'],
      audit_events_2030_03: [],
      audit_events_2030_04: [],
      audit_events_2030_05: [],
      audit_events_default: [],
    });
    await record(db, '1990-01-01');
    t.is(
      (await sweep(db, { auditRetention }, now)).audit_events,
      1,
      'what has no partition any more is swept',
    );
    const dues = new Date('2030-03-31T00:00:00Z');
    t.is((await sweep(db, { auditRetention }, dues)).audit_events, 1);
    t.false('audit_events_2030_02' in (await eventsByPartition(db)));
  },
  postgres,
);

testOnStores(
  'while the trail is in use the partition waits, and events are recorded',
  async (t, { db }) => {
    await makePartitions(db, new Date('2030-01-15'));
    const waiting = `select 1 from pg_locks where mode = 'AccessExclusiveLock' and not granted
      and database = (select oid from pg_database where datname = current_database())`;
    let dropping = Promise.resolve(0);
    await record(db, '2030-01-20');
    await db.transaction(async (tx) => {
      await tx('audit_events').first('id');
      dropping = dropPartitions(db, firstIdOf(new Date('2030-02-01')));
      await until(async () => (await rows(db, waiting)).length > 0, 'it waits for the lock');
      await record(db, '2030-01-21');
      t.true('audit_events_2030_01' in (await eventsByPartition(tx)));
    });
    t.is(await dropping, 1, 'events are counted before the partition goes');
    t.deepEqual(await eventsByPartition(db), {
      audit_events_2030_02: [],
      audit_events_2030_03: [],
      audit_events_default: [],
    });
  },
  postgres,
);

testOnStores(
  'a role that does not own the trail makes and drops no partition: the sweep deletes rows, and the doctor says so',
  async (t, { db, url }) => {
    const role = `server_${new URL(url).pathname.slice(1)}`;
    await db.raw(`create role ${role} login password 'of-this-test'`);
    await db.raw(`grant select, insert, update, delete on all tables in schema public to ${role}`);
    const partitions = ['audit_events_first', 'audit_events_default'];
    for (const name of partitions) await db.raw(`revoke all on ${name} from ${role}`);
    const own = openDatabase(Object.assign(new URL(url), { username: role, password: 'of-this-test' }).href);
    t.teardown(async () => {
      await own.destroy();
      await db.raw(`drop owned by ${role} cascade`);
      await db.raw(`drop role ${role}`);
    });
    await record(own, '2020-01-01', '2035-01-01', '2035-01-02');
    const swept = await sweep(
      own,
      { auditRetention: 30 * day, tables: ['audit_events'] },
      new Date('2035-02-01'),
    );
    t.is(swept.audit_events, 2);
    t.deepEqual(Object.keys(await eventsByPartition(db)).toSorted(), partitions.toSorted());
    const [note, ...others] = await checkTrail(own);
    t.deepEqual(others, []);
    t.like(note, { state: 'note', check: 'audit trail' });
    t.regex(note?.text ?? '', /^the trail belongs to postgres, so this role makes and drops no partitions/);
  },
  postgres,
);

testOnStores('the doctor names what is wrong with the partitions', async (t, { name, db }) => {
  const states = async () => (await checkTrail(db)).map(({ state, text }) => `${state}: ${text}`);
  if (name === 'sqlite') {
    t.deepEqual(await states(), []);
    return;
  }
  t.deepEqual(await states(), ['good: 2 partitions, one for each month']);
  await record(db, '2090-01-01');
  await db.raw('alter table audit_events detach partition audit_events_first');
  const owner = `owner_${new URL(String(db.client.config.connection.connectionString)).pathname.slice(1)}`;
  await db.raw(`create role ${owner}`);
  t.teardown(() => db.raw(`drop role ${owner}`));
  await db.raw(`alter table audit_events_default owner to ${owner}`);
  const [strangers, month, stray, ...others] = await states();
  t.deepEqual(others, []);
  t.is(strangers, 'wrong: the trail belongs to postgres, but not its partitions audit_events_default');
  t.regex(month ?? '', /^wrong: events of the month \d{4}-\d\d have no partition and go to the default one$/);
  t.regex(stray ?? '', /^note: audit_events_default holds 1 event, recorded by a wrong clock/);
  await db.raw('alter table audit_events_default owner to current_user');
});
