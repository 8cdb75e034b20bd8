// The sweep: removes what is dead and has been for a while, in small bites, beside a server that goes on.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';
import { firstIdOf } from '../../lib/ids.ts';
import { deleteRegistrationTokens } from '../engine_records/engine_records.ts';
import { finishPendingEndings } from '../sessions/pending_endings.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { plusSeconds, readClock } from '../store/sql_time.ts';
import { browserMemory } from '../users/known_devices.ts';

export const sweptTables = [
  'sessions',
  'oidc_models',
  'revoked_tokens',
  'rate_limits',
  'audit_events',
  'devices',
  'known_browsers',
  'clients',
] as const;
export type SweptTable = (typeof sweptTables)[number];

/** Rows removed, or to be removed, by table. */
export type SweepCounts = Record<SweptTable, number>;

export interface SweepOptions {
  /** Events are kept for so many seconds. */
  auditRetention: number;
  /** Sweeps these alone; all when absent. */
  tables?: readonly SweptTable[];
  /** Counts what would go and removes nothing. */
  dryRun?: boolean;
  /** Told after each batch how many rows of a table it has been so far. */
  progress?: (table: SweptTable, count: number) => void;
  /** Stops the sweep after the batch that it is at. */
  signal?: AbortSignal;
  /** Rows that one batch looks at. */
  batch?: number;
}

// Long enough for a user to be told why a session is gone, and for an operator to ask.
const keepExpired = 7;
const keepEnded = 30;
/** Days for which a device without any session is kept after its last login. */
const keepUnseen = 90;
/** Days for which a client that nobody vouches for, and nobody uses, is kept after it last changed. */
const keepUnused = 30;

/** Between two batches at least so many milliseconds, so that those who wait for the same rows or disk get their turn. */
const shortestRest = 10;

/**
 * Removes the dead rows of every table, `batch` at a time, each batch one short statement. Rests between them for as
 * long as they took, so that it never takes more than half of one connection.
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
    clients: 0,
  };
  const { auditRetention, tables = sweptTables } = options;
  for (const target of targets(db, now, auditRetention).filter((one) => tables.includes(one.table))) {
    for await (const dead of batches(db, target, options)) {
      counts[target.table] += dead;
      options.progress?.(target.table, counts[target.table]);
    }
  }
  return counts;
}

interface Target {
  table: SweptTable;
  /** An indexed column; the sweep goes along it. */
  key: string;
  from: Knex.RawBinding;
  /** Nothing behind it can be dead. */
  until?: Knex.RawBinding;
  /** SQL for the rows of which the index knows. */
  among?: string;
  /** SQL for the dead among the rows up to `until`; all of them without it. */
  isDead?: string;
  bindings?: Record<string, Knex.RawBinding>;
}

// A session that is young cannot have been dead for long, and ids sort by time: the way along the ids ends at those
// made a week ago, and the idle ones need no index on `last_used_at`, which would make every rotation dearer.
function targets(db: Db, now: Date, auditRetention: number): Target[] {
  const ago = (days: number) => new Date(now.getTime() - days * 86_400_000);
  const epoch = new Date(0);
  const expired = ago(keepExpired);
  return [
    {
      table: 'sessions',
      key: 'id',
      from: firstIdOf(epoch),
      until: firstIdOf(expired),
      isDead: `(ended_at <= :ended or absolute_expires_at <= :expired or ${plusSeconds(db, 'last_used_at', 'idle_ttl')} <= :expired)`,
      bindings: { ended: ago(keepEnded), expired },
    },
    { table: 'oidc_models', key: 'expires_at', from: epoch, until: now },
    { table: 'revoked_tokens', key: 'expires_at', from: epoch, until: now },
    {
      table: 'rate_limits',
      key: 'key',
      from: '',
      isDead: 'expire <= :now',
      bindings: { now: now.getTime() },
    },
    {
      table: 'audit_events',
      key: 'id',
      from: firstIdOf(epoch),
      until: firstIdOf(new Date(now.getTime() - auditRetention * 1000)),
    },
    {
      table: 'devices',
      key: 'id',
      from: firstIdOf(epoch),
      until: firstIdOf(ago(keepUnseen)),
      isDead:
        'last_seen_at <= :unseen and not exists (select 1 from sessions s where s.device_id = devices.id)',
      bindings: { unseen: ago(keepUnseen) },
    },
    { table: 'known_browsers', key: 'last_used_at', from: epoch, until: ago(browserMemory) },
    {
      table: 'clients',
      key: 'created_at',
      from: epoch,
      until: ago(keepUnused),
      among: "registered_by <> 'admin'",
      isDead: `updated_at <= :unused and blocked_at is null and deleted_at is null
        and not exists (select 1 from sessions s where s.client_id = clients.client_id)
        and not exists (select 1 from consents c where c.client_id = clients.client_id)`,
      bindings: { unused: ago(keepUnused) },
    },
  ];
}

async function* batches(
  db: Knex,
  target: Target,
  { batch = 1_000, dryRun = false, signal }: SweepOptions,
): AsyncGenerator<number> {
  let after = target.from;
  while (!signal?.aborted) {
    const start = performance.now();
    const last = await findLast(db, target, after, batch);
    const bite = { after, last: last ?? target.until };
    yield dryRun ? await countDead(db, target, bite) : await removeDead(db, target, bite);
    if (last === null) return;
    after = last;
    await rest(performance.now() - start, signal);
  }
}

// The key of the last row of a full batch; null when fewer rows are left. As text on Postgres, whose times are finer
// than a Date.
async function findLast(
  db: Db,
  { table, key, until, among }: Target,
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

interface Bite {
  after: Knex.RawBinding;
  last: Knex.RawBinding | undefined;
}

function dead(db: Db, { table, key, among, isDead, bindings }: Target, { after, last }: Bite) {
  const query = db<object>(table).where(key, '>', after as Knex.Value);
  if (last !== undefined) query.where(key, '<=', last as Knex.Value);
  if (among) query.whereRaw(among);
  if (isDead) query.whereRaw(isDead, bindings as Knex.ValueDict);
  return query;
}

async function countDead(db: Db, target: Target, bite: Bite): Promise<number> {
  const row = await dead(db, target, bite).count<{ n: number }>({ n: '*' }).first();
  return row?.n ?? 0;
}

// A session or consent that is written at the same time either is seen here, or waits and finds no client any more.
async function removeClients(db: Knex, target: Target, bite: Bite): Promise<number> {
  return await db.transaction(async (tx): Promise<number> => {
    const unused = () => dead(tx, target, bite).select<{ client_id: string }[]>('client_id');
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

// The trail lets nobody remove anything who does not say that it is the sweep (migrations/001).
async function removeDead(db: Knex, target: Target, bite: Bite): Promise<number> {
  if (target.table === 'clients') return await removeClients(db, target, bite);
  if (target.table !== 'audit_events' || !isPostgres(db)) return await dead(db, target, bite).delete();
  return await db.transaction(async (tx): Promise<number> => {
    await tx.raw("set local kindred.sweep = 'on'");
    return await dead(tx, target, bite).delete();
  });
}

async function rest(took: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(Math.max(shortestRest, took), undefined, signal ? { signal } : {}).catch(() => {});
}
