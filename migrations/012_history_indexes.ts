// Indexes for lists, searches and cascades that read a whole table without them. Made beside a server that writes, so
// outside a transaction and so that the migration can be repeated.
import type { Knex } from 'knex';

export const config = { transaction: false };

const indexes = {
  sessions_ended_user: 'sessions (user_id, ended_at) where ended_at is not null',
  consents_client: 'consents (client_id)',
  logout_notices_client: 'logout_notices (client_id)',
  audit_events_client: 'audit_events (client_id, id) where client_id is not null',
};

// Every ban asks who else administrates.
function adminsOf(isPostgres: boolean): string {
  return `users (id) where ${isPostgres ? `roles @> '["admin"]'` : `roles like '%"admin"%'`}`;
}

export async function up(knex: Knex): Promise<void> {
  const isPostgres = knex.client.config.client === 'pg';
  for (const [name, on] of Object.entries({ ...indexes, users_admins: adminsOf(isPostgres) })) {
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
  for (const name of [...Object.keys(indexes), 'users_admins'])
    await knex.raw(`drop index if exists ${name}`);
}
