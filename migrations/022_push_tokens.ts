// An index for the devices that have a push token, so that a login finds another user's device with the same one. Made beside a server that
// writes, so outside a transaction and so that the migration can be repeated.
import type { Knex } from 'knex';

export const config = { transaction: false };

const name = 'devices_push_token';

export async function up(knex: Knex): Promise<void> {
  const isPostgres = knex.client.config.client === 'pg';
  if (isPostgres) await dropInvalid(knex);
  // By hash: a push token may be longer than what a tree holds.
  const on = isPostgres ? 'devices using hash (push_token)' : 'devices (push_token)';
  await knex.raw(
    `create index ${isPostgres ? 'concurrently' : ''} if not exists ${name} on ${on} where push_token is not null`,
  );
}

// What a build that was broken off has left: it is kept up to date and never used.
async function dropInvalid(knex: Knex): Promise<void> {
  const { rows } = await knex.raw(
    `select 1 from pg_index i join pg_class c on c.oid = i.indexrelid
     where c.relname = ? and c.relnamespace = current_schema()::regnamespace and not i.indisvalid`,
    [name],
  );
  if (rows.length > 0) await knex.raw(`drop index concurrently if exists ${name}`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`drop index if exists ${name}`);
}
