// All sessions of a user end by one number (`users.session_epoch`), clients are removed in steps, and what a crash leaves
// undone is written down. Nodes of the version before know nothing of it: what they insert is completed by triggers.
import type { Knex } from 'knex';

const isPostgres = (knex: Knex) => knex.client.config.client === 'pg';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('users', (table) => {
    table.integer('session_epoch').notNullable().defaultTo(0);
  });
  await knex.schema.alterTable('sessions', (table) => {
    table.integer('session_epoch').notNullable().defaultTo(0);
  });
  await knex.schema.alterTable('oidc_models', (table) => {
    // That of a browser session's login; null for other records, and for those that the version before wrote.
    table.integer('session_epoch');
  });
  await knex.schema.alterTable('clients', (table) => {
    // From then on the client is gone, while its sessions are being ended.
    table.timestamp('deleted_at', { useTz: true });
  });
  await knex.schema.createTable('pending_endings', (table) => {
    table.uuid('id').primary();
    table.uuid('user_id');
    table.jsonb('which').notNullable();
    table.jsonb('ending').notNullable();
    table.timestamp('created_at', { useTz: true }).notNullable();
  });
  await knex.raw('create index pending_endings_user on pending_endings (user_id) where user_id is not null');
  await (isPostgres(knex) ? completeOnPostgres(knex) : completeOnSqlite(knex));
}

// Sessions that exist have 0, as their users. What is inserted without a number is the version before's.
async function completeOnPostgres(knex: Knex): Promise<void> {
  await knex.raw('alter table sessions alter column session_epoch set default -1');
  await knex.raw(`create function sessions_take_epoch() returns trigger language plpgsql as $$
    begin
      new.session_epoch := (select session_epoch from users where id = new.user_id);
      return new;
    end $$`);
  await knex.raw(`create trigger sessions_epoch before insert on sessions for each row
    when (new.session_epoch < 0) execute function sessions_take_epoch()`);
}

// A default cannot be changed on SQLite, but a new session of a user with epoch 0 needs nothing.
async function completeOnSqlite(knex: Knex): Promise<void> {
  await knex.raw(`create trigger sessions_epoch after insert on sessions when new.session_epoch = 0
    begin
      update sessions set session_epoch = (select session_epoch from users where id = new.user_id)
        where id = new.id and exists (select 1 from users where id = new.user_id and session_epoch <> 0);
    end`);
}

// Not through the schema builder, which on SQLite would copy the tables and, with them gone for a moment, end all sessions.
export async function down(knex: Knex): Promise<void> {
  if (isPostgres(knex)) {
    await knex.raw('drop trigger sessions_epoch on sessions');
    await knex.raw('drop function sessions_take_epoch()');
  } else await knex.raw('drop trigger sessions_epoch');
  await knex.schema.dropTable('pending_endings');
  await knex.raw('alter table clients drop column deleted_at');
  for (const table of ['oidc_models', 'sessions', 'users'])
    await knex.raw('alter table ?? drop column session_epoch', [table]);
}
