// Clients that nobody vouches for: an administrator can block them, the sweep finds those that nobody uses, and what they do
// no longer empties the client cache of every node.
import type { Knex } from 'knex';

const cached = ['clients', 'resource_servers'];

export async function up(knex: Knex): Promise<void> {
  // Not through the schema builder, which on SQLite might copy the table and so end the sessions of all clients.
  const time = isPostgres(knex) ? 'timestamptz' : 'datetime';
  await knex.raw(`alter table clients add column blocked_at ${time}`);
  await knex.raw(`create index clients_unvouched on clients (created_at) where registered_by <> 'admin'`);
  await (isPostgres(knex) ? countRowsOnPostgres(knex) : countRowsOnSqlite(knex));
}

// Row by row, and only rows that differ: an UPDATE that changes nothing, or a client that nobody vouches for (which the cache
// does not hold), leaves the version as it is.
async function countRowsOnPostgres(knex: Knex): Promise<void> {
  for (const table of cached) {
    const [added, changed, removed] = conditions(table);
    await knex.raw(`drop trigger ${table}_changed on ${table}`);
    await addTrigger(knex, table, 'inserted', `insert on ${table} for each row when (${added})`);
    await addTrigger(
      knex,
      table,
      'updated',
      `update on ${table} for each row when ((${changed}) and old.* is distinct from new.*)`,
    );
    await addTrigger(knex, table, 'deleted', `delete on ${table} for each row when (${removed})`);
    await addTrigger(knex, table, 'truncated', `truncate on ${table} for each statement`);
  }
}

async function addTrigger(knex: Knex, table: string, name: string, after: string): Promise<void> {
  await knex.raw(`create trigger ${table}_${name} after ${after} execute function registry_changed()`);
}

// SQLite cannot compare whole rows; there our code writes none that is the same.
async function countRowsOnSqlite(knex: Knex): Promise<void> {
  const [added, changed, removed] = conditions('clients');
  for (const [change, when] of [
    ['insert', added],
    ['update', changed],
    ['delete', removed],
  ]) {
    await knex.raw(`drop trigger clients_${change}`);
    await knex.raw(`create trigger clients_${change} after ${change} on clients when ${when}
      begin update registry set version = version + 1; end`);
  }
}

// When a row that came, changed or went is one of those that are cached.
function conditions(table: string): [added: string, changed: string, removed: string] {
  if (table !== 'clients') return ['true', 'true', 'true'];
  const isVouched = (row: string) => `${row}.registered_by = 'admin'`;
  return [isVouched('new'), `${isVouched('old')} or ${isVouched('new')}`, isVouched('old')];
}

export async function down(knex: Knex): Promise<void> {
  await (isPostgres(knex) ? countStatementsOnPostgres(knex) : countAllOnSqlite(knex));
  await knex.raw('drop index clients_unvouched');
  await knex.raw('alter table clients drop column blocked_at');
}

async function countStatementsOnPostgres(knex: Knex): Promise<void> {
  for (const table of cached) {
    for (const name of ['inserted', 'updated', 'deleted', 'truncated'])
      await knex.raw(`drop trigger ${table}_${name} on ${table}`);
    await knex.raw(`create trigger ${table}_changed after insert or update or delete or truncate on ${table}
      for each statement execute function registry_changed()`);
  }
}

async function countAllOnSqlite(knex: Knex): Promise<void> {
  for (const change of ['insert', 'update', 'delete']) {
    await knex.raw(`drop trigger clients_${change}`);
    await knex.raw(`create trigger clients_${change} after ${change} on clients
      begin update registry set version = version + 1; end`);
  }
}

function isPostgres(knex: Knex): boolean {
  return knex.client.config.client === 'pg';
}
