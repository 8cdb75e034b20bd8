// Makes `sessions` a table in hash partitions, for the trial of docs/scaling.md. No migration does this.
import pg from 'pg';

interface Definition {
  sql: string;
}

// Whatever migrations have made of the table: its indexes, conditions, foreign keys and triggers, as statements that make them.
const definitions = `
  select pg_get_indexdef(indexrelid) as sql from pg_index where indrelid = 'sessions'::regclass and not indisprimary
  union all
  select format('alter table sessions add constraint %I %s', conname, pg_get_constraintdef(oid))
    from pg_constraint where conrelid = 'sessions'::regclass and contype in ('c', 'f')
  union all
  select pg_get_triggerdef(oid) from pg_trigger where tgrelid = 'sessions'::regclass and not tgisinternal`;

/**
 * Replaces the table `sessions`, which must be empty, by one in `count` partitions by the hash of `id`. The id is the only
 * column that may be the key: the refresh and the introspection know nothing else.
 */
export async function partitionSessions(databaseUrl: string, count: number): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await requireNoReferences(client);
    const { rows } = await client.query<Definition>(definitions);
    await client.query('alter table sessions rename to sessions_before');
    await client.query(
      'create table sessions (like sessions_before including defaults including storage, primary key (id)) partition by hash (id)',
    );
    await client.query('drop table sessions_before');
    for (let index = 0; index < count; index += 1) {
      await client.query(
        `create table sessions_${index} partition of sessions for values with (modulus ${count}, remainder ${index}) with (fillfactor = 85)`,
      );
    }
    for (const { sql } of rows) await client.query(sql);
  } finally {
    await client.end();
  }
}

// A foreign key to `sessions` would go with the table, and the trial would be of another schema.
async function requireNoReferences(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `select conrelid::regclass::text as name from pg_constraint where confrelid = 'sessions'::regclass and contype = 'f'`,
  );
  if (rows.length > 0) throw new Error(`${rows.map((row) => row.name).join(', ')} refer to sessions`);
}
