// Facts about the database: version, sizes, updates and vacuum. On Postgres they come from catalogues and statistics, without
// a scan; SQLite keeps no statistics, so its rows are counted.
import type { Knex } from 'knex';
import { firstIdOf } from '../../lib/ids.ts';
import { isPostgres, rows } from './db.ts';

/** The name and version of the database. */
export async function readVersion(db: Knex): Promise<string> {
  const sql = isPostgres(db)
    ? "select current_setting('server_version') as version"
    : 'select sqlite_version() as version';
  const [row] = await rows<{ version: string }>(db, sql);
  return `${isPostgres(db) ? 'Postgres' : 'SQLite'} ${row?.version.split(' ')[0]}`;
}

export interface TableFacts {
  name: string;
  /** An estimate on Postgres. */
  rows: number;
  /** Including indexes; null on SQLite, which knows the size of the whole file only. */
  bytes: number | null;
}

/** Kindred's tables, the largest first; a table with its partitions. */
export async function readTables(db: Knex): Promise<TableFacts[]> {
  if (isPostgres(db)) {
    return await rows<TableFacts>(
      db,
      `select t.relname as name, sum(greatest(s.n_live_tup, c.reltuples::bigint, 0))::float8 as rows,
         sum(pg_total_relation_size(c.oid))::float8 as bytes
       from pg_class c join pg_stat_user_tables s on s.relid = c.oid join pg_class t on t.oid = coalesce(pg_partition_root(c.oid), c.oid)
       where s.schemaname = current_schema() and c.relname not like 'knex%' and c.relkind <> 'p'
       group by t.relname order by bytes desc`,
    );
  }
  const tables = await rows<{ name: string }>(
    db,
    "select name from sqlite_master where type = 'table' and name not like 'knex%' and name not like 'sqlite%'",
  );
  const facts: TableFacts[] = [];
  for (const { name } of tables) {
    const row = await db(name).count<{ n: number }>({ n: '*' }).first();
    facts.push({ name, rows: row?.n ?? 0, bytes: null });
  }
  return facts.toSorted((a, b) => b.rows - a.rows);
}

/** Bytes of the whole database. */
export async function readSize(db: Knex): Promise<number> {
  const sql = isPostgres(db)
    ? 'select pg_database_size(current_database())::float8 as bytes'
    : 'select page_count * page_size as bytes from pragma_page_count(), pragma_page_size()';
  const [row] = await rows<{ bytes: number }>(db, sql);
  return row?.bytes ?? 0;
}

export interface UpdateStats {
  updates: number;
  /** Heap-only updates, which touch no index. */
  hot_updates: number;
  live_rows: number;
  dead_rows: number;
  is_autovacuum_on: boolean;
  /** Age of the oldest transaction, which holds back vacuum; seconds. */
  oldest_transaction: number;
}

/** The updates and dead rows of `sessions` on Postgres; null on SQLite, which keeps no such statistics. */
export async function readUpdateStats(db: Knex): Promise<UpdateStats | null> {
  if (!isPostgres(db)) return null;
  const [row] = await rows<UpdateStats>(
    db,
    `select n_tup_upd::float8 as updates, n_tup_hot_upd::float8 as hot_updates, n_live_tup::float8 as live_rows,
       n_dead_tup::float8 as dead_rows, current_setting('autovacuum') = 'on' as is_autovacuum_on,
       coalesce((select extract(epoch from max(now() - xact_start)) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()), 0)::float8 as oldest_transaction
     from pg_stat_user_tables where relname = 'sessions' and schemaname = current_schema()`,
    {},
    { is_autovacuum_on: 'boolean' },
  );
  return row ?? null;
}

/** The number of rows created in the 24 hours before `now`, by the time in their ids. */
export async function countNew(db: Knex, table: 'sessions' | 'audit_events', now: Date): Promise<number> {
  const since = firstIdOf(new Date(now.getTime() - 86_400_000));
  const row = await db(table).where('id', '>=', since).count<{ n: number }>({ n: '*' }).first();
  return row?.n ?? 0;
}

/** Whether the sweep has not run for `days`: rows exist that it would have removed. */
export async function isSweepOverdue(db: Knex, now: Date, days = 2): Promise<boolean> {
  const ago = (count: number) => new Date(now.getTime() - count * 86_400_000);
  const record = await db('oidc_models').where('expires_at', '<', ago(days)).first('id');
  const session = await db('sessions')
    .where('absolute_expires_at', '<', ago(days + 7))
    .first('id');
  return record !== undefined || session !== undefined;
}
