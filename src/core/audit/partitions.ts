// The partitions of the trail on Postgres, one for each month by the ids of its events: makes those of the next months and
// drops those past the retention. Only the owner of the table can; for another role nothing happens, and the sweep deletes rows.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';
import { firstIdOf } from '../../lib/ids.ts';
import type { Columns } from '../store/columns.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';

/** The trail as its owner sees it. */
export interface TrailTable {
  owner: string;
  /** Whether the role of this connection may change the table as its owner may. */
  is_owner: boolean;
  partitions: Partition[];
}

export interface Partition {
  name: string;
  owner: string;
  /** Whether the role may read the partition itself; through the table it may read all of them. */
  is_readable: boolean;
  /** The least id of the partition; null for the default and the first one. */
  from: string | null;
  /** Below this id; null for the default one. */
  to: string | null;
  isDefault: boolean;
}

/** How many months after the current one have a partition. */
const monthsAhead = 2;
/** The most events of the default partition that move to a new one, under a lock. */
const mostMoved = 10_000;
/** Tries to get a lock in one run, and milliseconds between them. */
const mostTries = 5;
const pause = 1_000;
/** The most events of a dropped partition that are counted. */
const mostCounted = 1_000_000;

const tableColumns = { is_owner: 'boolean' } as const satisfies Columns<
  Pick<TrailTable, 'owner' | 'is_owner'>
>;

interface PartitionRow extends Pick<Partition, 'name' | 'owner' | 'is_readable'> {
  bound: string;
}

/** The partitions of the trail; null on SQLite, which has none. */
export async function readTrailTable(db: Db): Promise<TrailTable | null> {
  if (!isPostgres(db)) return null;
  const [table] = await rows<Pick<TrailTable, 'owner' | 'is_owner'>>(
    db,
    `select pg_get_userbyid(relowner) as owner,
       pg_has_role(relowner, 'usage') and has_schema_privilege(relnamespace, 'create') as is_owner
     from pg_class where oid = to_regclass('audit_events') and relkind = 'p'`,
    [],
    tableColumns,
  );
  if (!table) return null;
  const found = await rows<PartitionRow>(
    db,
    `select c.relname as name, pg_get_userbyid(c.relowner) as owner, pg_get_expr(c.relpartbound, c.oid) as bound,
       has_table_privilege(c.oid, 'select') as is_readable
     from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = to_regclass('audit_events') order by name`,
    [],
    { is_readable: 'boolean' },
  );
  return {
    ...table,
    partitions: found.map(({ bound, ...partition }) => ({ ...partition, ...boundsIn(bound) })),
  };
}

// The bounds as Postgres writes them: FOR VALUES FROM ('…') TO ('…'), or DEFAULT.
function boundsIn(bound: string): Pick<Partition, 'from' | 'to' | 'isDefault'> {
  const idAfter = (word: string) => new RegExp(`${word} \\('([0-9a-f-]{36})'\\)`).exec(bound)?.[1] ?? null;
  return { from: idAfter('FROM'), to: idAfter('TO'), isDefault: bound === 'DEFAULT' };
}

/** Whether events of this time have a partition of their own, and not the default one. */
export function hasPartition({ partitions }: TrailTable, at: Date): boolean {
  const id = firstIdOf(at);
  return partitions.some(({ from, to }) => to !== null && id < to && (from === null || id >= from));
}

/**
 * Makes the partitions of this month and the next two that are missing. A month stays in the default partition where that
 * holds too many of its events to move them under a lock, or while the trail is in use for too long.
 */
export async function makePartitions(db: Knex, now: Date): Promise<void> {
  const table = await readTrailTable(db);
  if (!table?.is_owner) return;
  for (let ahead = 0; ahead <= monthsAhead; ahead += 1) {
    const month = monthAfter(now, ahead);
    if (!hasPartition(table, month)) await makePartition(db, table, month);
  }
}

async function makePartition(db: Knex, { owner, partitions }: TrailTable, month: Date): Promise<void> {
  const [from, to] = [firstIdOf(month), firstIdOf(monthAfter(month, 1))];
  const name = `audit_events_${month.toISOString().slice(0, 7).replace('-', '_')}`;
  const rest = partitions.find(({ isDefault }) => isDefault)?.name;
  const moving = rest ? await countEvents(db, rest, mostMoved + 1, { from, to }) : 0;
  if (moving > mostMoved) return;
  await underLock(db, 'share update exclusive', async (tx) => {
    // Another process has made it meanwhile, or it was detached; the doctor names a month without a partition.
    if (await tx.schema.hasTable(name)) return;
    await tx.raw('create table ?? (like audit_events including defaults)', [name]);
    if (rest) await moveEvents(tx, { from, to }, rest, name);
    await tx.raw(`alter table audit_events attach partition ?? for values from ('${from}') to ('${to}')`, [
      name,
    ]);
    // The partition inherits the triggers for each row, not those for each statement.
    await tx.raw(
      `create trigger audit_events_no_truncate before truncate on ?? for each statement execute function audit_events_refuse()`,
      [name],
    );
    if (!(await isOwnRole(tx, owner))) await tx.raw('alter table ?? owner to ??', [name, owner]);
  });
}

function monthAfter(at: Date, months: number): Date {
  return new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + months));
}

async function isOwnRole(db: Db, role: string): Promise<boolean> {
  return (await rows(db, 'select 1 as own where current_user = :role', { role })).length > 0;
}

interface IdRange {
  from: string;
  to: string;
}

// Postgres refuses a partition while the default one holds events that belong to it.
async function moveEvents(tx: Db, range: IdRange, rest: string, name: string): Promise<void> {
  await tx.raw('lock table ?? in access exclusive mode', [rest]);
  await tx.raw("set local kindred.sweep = 'on'");
  await tx.raw(
    `with moved as (delete from :rest: where id >= :from and id < :to returning *)
     insert into :name: select * from moved`,
    { ...range, rest, name },
  );
}

/**
 * Drops the partitions all of whose ids are below `before`, and returns how many events they had; of more than a million in
 * one, a million count. A partition stays until the next run while the trail is in use for too long.
 */
export async function dropPartitions(db: Knex, before: string): Promise<number> {
  const table = await readTrailTable(db);
  if (!table?.is_owner) return 0;
  let dropped = 0;
  for (const { name, owner, to } of table.partitions) {
    if (to === null || to > before || owner !== table.owner) continue;
    const events = await countEvents(db, name, mostCounted);
    const isDropped = await underLock(db, 'access exclusive', (tx) => tx.raw('drop table ??', [name]));
    if (isDropped) dropped += events;
  }
  return dropped;
}

/** The number of events in one partition, at most `most`. */
export async function countEvents(db: Db, name: string, most: number, range?: IdRange): Promise<number> {
  const events = db(name).select('id').limit(most);
  if (range) events.where('id', '>=', range.from).where('id', '<', range.to);
  const [row] = await db.from(events.as('e')).count<{ n: number }[]>({ n: '*' });
  return row?.n ?? 0;
}

// Postgres needs this lock on the table itself, for a moment. What waits for it holds back every statement that comes after it,
// so each of a few tries waits two seconds at most and then lets them pass. False if the work was not done.
async function underLock(
  db: Knex,
  mode: 'access exclusive' | 'share update exclusive',
  work: (tx: Knex.Transaction) => Promise<unknown>,
): Promise<boolean> {
  for (let tries = 1; ; tries += 1) {
    try {
      await db.transaction(async (tx) => {
        await tx.raw("set local lock_timeout = '2s'");
        await tx.raw("set local statement_timeout = '5s'");
        await tx.raw(`lock table only audit_events in ${mode} mode`);
        await work(tx);
      });
      return true;
    } catch (error) {
      const refusal = refusals[(error as { code?: string }).code ?? ''];
      if (!refusal) throw error;
      if (refusal === 'give up' || tries === mostTries) return false;
    }
    await sleep(pause);
  }
}

// lock_not_available and deadlock_detected; query_canceled, when the default partition is too large to be read under a lock.
const refusals: Record<string, 'again' | 'give up'> = {
  '55P03': 'again',
  '40P01': 'again',
  '57014': 'give up',
};
