// Figures that one node counts, and indexes by which searches for banned, disabled and deleted users do not read the others.
// Made beside a server that writes, so outside a transaction and so that the migration can be repeated.
import type { Knex } from 'knex';

export const config = { transaction: false };

// Nearly all users are active, so these indexes are small and a login or a refresh changes none of them.
const indexes = (isPostgres: boolean): Record<string, string> => {
  // By bytes, whatever the collation of the database.
  const order = isPostgres ? 'text_pattern_ops' : '';
  return {
    users_inactive: "users (status, id) where status <> 'active'",
    users_inactive_username: `users (status, username_key ${order}) where status <> 'active'`,
    users_inactive_email: `users (status, email_key ${order}) where status <> 'active'`,
  };
};

export async function up(knex: Knex): Promise<void> {
  const isPostgres = knex.client.config.client === 'pg';
  if (!(await knex.schema.hasTable('statistics'))) {
    await knex.schema.createTable('statistics', (table) => {
      table.text('name').primary();
      table.jsonb('value').notNullable();
      table.timestamp('counted_at', { useTz: true }).notNullable();
    });
  }
  for (const [name, on] of Object.entries(indexes(isPostgres))) {
    if (isPostgres) await dropInvalid(knex, name);
    await knex.raw(`create index ${isPostgres ? 'concurrently' : ''} if not exists ${name} on ${on}`);
  }
}

// What a build that was broken off has left: it is kept up to date and never used.
async function dropInvalid(knex: Knex, name: string): Promise<void> {
  const { rows } = await knex.raw(
    `select 1 from pg_index i join pg_class c on c.oid = i.indexrelid
     where c.relname = ? and c.relnamespace = current_schema()::regnamespace and not i.indisvalid`,
    [name],
  );
  if (rows.length > 0) await knex.raw(`drop index concurrently if exists ${name}`);
}

export async function down(knex: Knex): Promise<void> {
  for (const name of Object.keys(indexes(false))) await knex.raw(`drop index if exists ${name}`);
  await knex.schema.dropTableIfExists('statistics');
}
