// The sweep: removes dead rows (sweep_targets.ts) in small batches, while servers go on answering. It also keeps the
// partitions of the trail: what is past the retention as a whole goes with its partition, the rest by row.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';
import { dropPartitions, makePartitions } from '../audit/partitions.ts';
import { deleteRegistrationTokens } from '../engine_records/engine_records.ts';
import { finishPendingEndings } from '../sessions/pending_endings.ts';
import { deleteOrphanedRotations } from '../sessions/session_rotations.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { readClock } from '../store/sql_time.ts';
import { type SweepTarget, type SweptTable, sweepTargets, sweptTables } from './sweep_targets.ts';

/** Rows removed, or to be removed, by table. */
export type SweepCounts = Record<SweptTable, number>;

export interface SweepOptions {
  /** Seconds for which audit events are kept. */
  auditRetention: number;
  /** Sweeps only these; all tables when absent. */
  tables?: readonly SweptTable[];
  /** Counts the rows that would be removed, and removes none. */
  dryRun?: boolean;
  /** Called after each batch, with the number of rows of the table so far. */
  progress?: (table: SweptTable, count: number) => void;
  /** Stops the sweep after the current batch. */
  signal?: AbortSignal;
  /** Rows that one batch reads. */
  batch?: number;
}

/** Milliseconds to rest between two batches at least, so that other statements get the same rows and the disk. */
const shortestRest = 10;

/**
 * Removes the dead rows of every table, each batch by one short statement. Rests after each batch for as long as it took,
 * so that the sweep uses at most half of one connection.
 */
export async function sweep(db: Knex, options: SweepOptions, at?: Date): Promise<SweepCounts> {
  const now = at ?? (await readClock(db));
  if (!options.dryRun) await finishPendingEndings(db);
  const counts: SweepCounts = {
    sessions: 0,
    oidc_models: 0,
    revoked_tokens: 0,
    rate_limits: 0,
    audit_events: 0,
    devices: 0,
    known_browsers: 0,
    one_time_codes: 0,
    clients: 0,
    outbox: 0,
  };
  const { auditRetention, tables = sweptTables } = options;
  for (const target of sweepTargets(db, now, auditRetention).filter((one) => tables.includes(one.table))) {
    if (target.table === 'audit_events' && !options.dryRun && !options.signal?.aborted) {
      await makePartitions(db, now);
      counts.audit_events += await dropPartitions(db, String(target.until));
    }
    for await (const dead of batches(db, target, options)) {
      counts[target.table] += dead;
      options.progress?.(target.table, counts[target.table]);
    }
  }
  return counts;
}

async function* batches(
  db: Knex,
  target: SweepTarget,
  { batch = 1_000, dryRun = false, signal }: SweepOptions,
): AsyncGenerator<number> {
  let after = target.from;
  while (!signal?.aborted) {
    const start = performance.now();
    const last = await findLast(db, target, after, batch);
    const range = { after, last: last ?? target.until };
    yield dryRun ? await countDead(db, target, range) : await removeDead(db, target, range);
    if (last === null) return;
    after = last;
    await rest(performance.now() - start, signal);
  }
}

// The key of the last row of a full batch; null if fewer rows are left. As text on Postgres, whose times are more precise
// than a Date.
async function findLast(
  db: Db,
  { table, key, until, among }: SweepTarget,
  after: Knex.RawBinding,
  batch: number,
): Promise<Knex.RawBinding> {
  const [row] = await rows<{ last: string | number }>(
    db,
    `select ${isPostgres(db) ? `cast(${key} as text)` : key} as last from ${table}
     where ${key} > :after ${until === undefined ? '' : `and ${key} <= :until`} ${among ? `and ${among}` : ''} order by ${key} limit 1 offset :offset`,
    { after, until: until ?? null, offset: batch - 1 },
  );
  return row?.last ?? null;
}

/** A stretch of the walk: after one value of the key, up to another; to the end without `last`. */
interface KeyRange {
  after: Knex.RawBinding;
  last: Knex.RawBinding | undefined;
}

function deadRows(db: Db, { table, key, among, isDead, bindings }: SweepTarget, { after, last }: KeyRange) {
  const query = db<object>(table).where(key, '>', after as Knex.Value);
  if (last !== undefined) query.where(key, '<=', last as Knex.Value);
  if (among) query.whereRaw(among);
  if (isDead) query.whereRaw(isDead, bindings as Knex.ValueDict);
  return query;
}

async function countDead(db: Db, target: SweepTarget, range: KeyRange): Promise<number> {
  const row = await deadRows(db, target, range).count<{ n: number }>({ n: '*' }).first();
  return row?.n ?? 0;
}

// A session or consent written at the same time is either visible here, or waits for the lock and then finds no client.
async function removeClients(db: Knex, target: SweepTarget, range: KeyRange): Promise<number> {
  return await db.transaction(async (tx): Promise<number> => {
    const unused = () => deadRows(tx, target, range).select<{ client_id: string }[]>('client_id');
    const locked = isPostgres(tx) ? await unused().forUpdate() : await unused();
    const found = await unused().whereIn('client_id', idsOf(locked));
    const ids = idsOf(found);
    await deleteRegistrationTokens(tx, ids);
    return await tx('clients').whereIn('client_id', ids).delete();
  });
}

function idsOf(clients: { client_id: string }[]): string[] {
  return clients.map(({ client_id }) => client_id);
}

// Their rotations go with them, and those that a node wrote while their session was being removed.
async function removeSessions(db: Knex, target: SweepTarget, range: KeyRange): Promise<number> {
  const removed = await deadRows(db, target, range).delete();
  const last = range.last === undefined ? undefined : String(range.last);
  await deleteOrphanedRotations(db, String(range.after), last);
  return removed;
}

// A trigger refuses every delete from the audit trail that does not identify itself as the sweep (migrations/001).
async function removeDead(db: Knex, target: SweepTarget, range: KeyRange): Promise<number> {
  if (target.table === 'clients') return await removeClients(db, target, range);
  if (target.table === 'sessions') return await removeSessions(db, target, range);
  if (target.table !== 'audit_events' || !isPostgres(db)) return await deadRows(db, target, range).delete();
  return await db.transaction(async (tx): Promise<number> => {
    await tx.raw("set local kindred.sweep = 'on'");
    return await deadRows(tx, target, range).delete();
  });
}

async function rest(took: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(Math.max(shortestRest, took), undefined, signal ? { signal } : {}).catch(() => {});
}
