// What lets a refresh be one statement (core/plain_refresh.ts): sessions whose tokens need nothing but a signature are marked,
// and whoever remembers clients and resource servers can tell by one number whether anything about them has changed.
import type { Knex } from 'knex';

const remembered = ['clients', 'resource_servers'];

export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('sessions', (table) => {
    // Those that exist already take the longer way until their users log in again.
    table.boolean('is_plain').notNullable().defaultTo(false);
  });
  await knex.schema.createTable('registry', (table) => {
    table.bigInteger('version').notNullable();
  });
  await knex('registry').insert({ version: 1 });
  await (knex.client.config.client === 'pg' ? countOnPostgres(knex) : countOnSqlite(knex));
}

// Triggers, so that changes by hand count as well.
async function countOnPostgres(knex: Knex): Promise<void> {
  await knex.raw(`create function registry_changed() returns trigger language plpgsql as $$
    begin
      update registry set version = version + 1;
      return null;
    end $$`);
  for (const table of remembered) {
    await knex.raw(`create trigger ${table}_changed after insert or update or delete or truncate on ${table}
      for each statement execute function registry_changed()`);
  }
}

async function countOnSqlite(knex: Knex): Promise<void> {
  for (const table of remembered) {
    for (const change of ['insert', 'update', 'delete']) {
      await knex.raw(`create trigger ${table}_${change} after ${change} on ${table}
        begin update registry set version = version + 1; end`);
    }
  }
}

export async function down(knex: Knex): Promise<void> {
  const isPostgres = knex.client.config.client === 'pg';
  for (const table of remembered) {
    for (const name of isPostgres ? ['changed'] : ['insert', 'update', 'delete']) {
      await knex.raw(`drop trigger ${table}_${name}${isPostgres ? ` on ${table}` : ''}`);
    }
  }
  if (isPostgres) await knex.raw('drop function registry_changed()');
  await knex.schema.dropTable('registry');
  await knex.schema.alterTable('sessions', (table) => table.dropColumn('is_plain'));
}
