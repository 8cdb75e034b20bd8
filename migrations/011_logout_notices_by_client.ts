// The due notices of one client, in their order: a client that does not answer must not delay the notices of others. Made
// beside a server that writes, so outside a transaction and so that the migration can be repeated.
import type { Knex } from 'knex';

export const config = { transaction: false };

const name = 'logout_notices_client_due';

export async function up(knex: Knex): Promise<void> {
  const isPostgres = knex.client.config.client === 'pg';
  // What a build that was broken off has left is kept up to date and never used.
  if (isPostgres) await knex.raw(`drop index concurrently if exists ${name}`);
  await knex.raw(
    `create index ${isPostgres ? 'concurrently' : ''} if not exists ${name} on logout_notices (client_id, next_attempt_at)`,
  );
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`drop index if exists ${name}`);
}
