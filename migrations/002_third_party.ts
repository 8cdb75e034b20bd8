// What third-party clients need: consents, browser sessions that can be listed, notices of logout that are not lost.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('consents', (table) => {
    table.uuid('user_id').notNullable().references('users.id').onDelete('cascade');
    table.text('client_id').notNullable().references('clients.client_id').onDelete('cascade');
    table.jsonb('granted').notNullable();
    table.timestamp('created_at', { useTz: true }).notNullable();
    table.timestamp('updated_at', { useTz: true }).notNullable();
    table.primary(['user_id', 'client_id']);
  });

  await knex.schema.alterTable('oidc_models', (table) => {
    // Digest of a second handle: the `uid` of a browser session, the user code of a device.
    table.text('second_id');
    table.uuid('user_id');
    table.text('ip');
    table.text('user_agent');
    table.timestamp('created_at', { useTz: true });
  });
  await knex.raw(
    'create unique index oidc_models_second_id on oidc_models (model, second_id) where second_id is not null',
  );
  await knex.raw('create index oidc_models_user on oidc_models (user_id) where user_id is not null');

  await knex.schema.alterTable('sessions', (table) => {
    // Digest of the `uid` of the browser session in which the login happened.
    table.text('browser_session');
  });
  await knex.raw(`create index sessions_live_browser on sessions (browser_session)
    where browser_session is not null and ended_at is null`);

  await knex.schema.alterTable('clients', (table) => {
    table.text('registered_by').notNullable().defaultTo('admin');
  });

  await knex.schema.createTable('logout_notices', (table) => {
    table.uuid('id').primary();
    table.uuid('session_id').notNullable();
    table.uuid('user_id').notNullable();
    table.text('client_id').notNullable().references('clients.client_id').onDelete('cascade');
    table.integer('attempts').notNullable().defaultTo(0);
    table.timestamp('next_attempt_at', { useTz: true }).notNullable();
    table.timestamp('created_at', { useTz: true }).notNullable();
    table.index('next_attempt_at', 'logout_notices_next_attempt_at');
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('logout_notices');
  await knex.schema.alterTable('clients', (table) => table.dropColumn('registered_by'));
  await knex.raw('drop index sessions_live_browser');
  await knex.schema.alterTable('sessions', (table) => table.dropColumn('browser_session'));
  await knex.raw('drop index oidc_models_second_id');
  await knex.raw('drop index oidc_models_user');
  await knex.schema.alterTable('oidc_models', (table) =>
    table.dropColumns('second_id', 'user_id', 'ip', 'user_agent', 'created_at'),
  );
  await knex.schema.dropTable('consents');
}
