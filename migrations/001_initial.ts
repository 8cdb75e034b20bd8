// The first schema. One file for both databases; what only Postgres knows (fillfactor) stands at the end.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('users', (table) => {
    table.uuid('id').primary();
    table.text('username').notNullable();
    table.text('username_key').notNullable();
    table.text('email');
    table.text('email_key');
    table.text('password_hash');
    table
      .text('status')
      .notNullable()
      .defaultTo('active')
      .checkIn(['active', 'banned', 'disabled', 'deleted'], 'users_status_check');
    table.text('status_reason');
    table.text('status_message');
    table.timestamp('ban_expires_at', { useTz: true });
    table.jsonb('roles').notNullable();
    table.jsonb('permissions').notNullable();
    table.text('tenant_id');
    table.integer('token_version').notNullable().defaultTo(0);
    table.timestamp('last_login_at', { useTz: true });
    table.timestamp('created_at', { useTz: true }).notNullable();
    table.timestamp('updated_at', { useTz: true }).notNullable();
  });
  // A deleted user's names become free again.
  await knex.raw("create unique index users_username_key on users (username_key) where status <> 'deleted'");
  await knex.raw("create unique index users_email_key on users (email_key) where status <> 'deleted'");

  await knex.schema.createTable('clients', (table) => {
    table.text('client_id').primary();
    table.jsonb('metadata').notNullable();
    table.jsonb('secrets').notNullable();
    table.boolean('first_party').notNullable();
    table
      .text('rotation_profile')
      .notNullable()
      .checkIn(['strict', 'spa', 'mobile', 'observe'], 'clients_rotation_profile_check');
    table.integer('refresh_token_retry_window');
    table.integer('access_token_ttl');
    table.integer('session_idle_ttl');
    table.integer('session_absolute_ttl');
    table.text('scope');
    table.text('resource_server');
    table.timestamp('created_at', { useTz: true }).notNullable();
    table.timestamp('updated_at', { useTz: true }).notNullable();
  });

  await knex.schema.createTable('resource_servers', (table) => {
    table.text('identifier').primary();
    table.text('name');
    table.text('scope').notNullable();
    table
      .text('access_token_format')
      .notNullable()
      .checkIn(['jwt', 'opaque'], 'resource_servers_access_token_format_check');
    table.integer('access_token_ttl');
    table.timestamp('created_at', { useTz: true }).notNullable();
    table.timestamp('updated_at', { useTz: true }).notNullable();
  });

  await knex.schema.createTable('devices', (table) => {
    table.uuid('id').primary();
    table.uuid('user_id').notNullable().references('users.id').onDelete('cascade');
    table.text('device_id').notNullable();
    table.text('platform');
    table.text('name');
    table.text('app_version');
    table.text('push_token');
    table.timestamp('last_seen_at', { useTz: true }).notNullable();
    table.timestamp('created_at', { useTz: true }).notNullable();
    table.unique(['user_id', 'device_id'], { indexName: 'devices_user_device_key' });
  });

  await knex.schema.createTable('sessions', (table) => {
    table.uuid('id').primary();
    table.uuid('user_id').notNullable().references('users.id').onDelete('cascade');
    table.text('client_id').notNullable().references('clients.client_id').onDelete('cascade');
    table.uuid('device_id').references('devices.id').onDelete('set null');
    table.jsonb('grant_payload').notNullable();
    table.jsonb('token_payload').notNullable();
    table.binary('salt').notNullable();
    table.integer('generation').notNullable().defaultTo(0);
    table.timestamp('rotated_at', { useTz: true });
    table.text('ip');
    table.text('user_agent');
    table.integer('idle_ttl').notNullable();
    table.timestamp('created_at', { useTz: true }).notNullable();
    table.timestamp('last_used_at', { useTz: true }).notNullable();
    table.timestamp('absolute_expires_at', { useTz: true }).notNullable();
    table.timestamp('ended_at', { useTz: true });
    table.text('ended_reason');
    table.text('ended_by');
    table.uuid('ended_by_id');
  });
  // No index names a column that rotation writes, so that a rotation stays a heap-only update on Postgres.
  await knex.raw('create index sessions_live_user on sessions (user_id) where ended_at is null');
  await knex.raw('create index sessions_absolute_expires_at on sessions (absolute_expires_at)');
  await knex.raw('create index sessions_ended_at on sessions (ended_at) where ended_at is not null');
  await knex.raw('create index sessions_client on sessions (client_id)');
  await knex.raw('create index sessions_device on sessions (device_id)');

  await knex.schema.createTable('oidc_models', (table) => {
    table.text('model').notNullable();
    table.text('id').notNullable();
    table.jsonb('payload').notNullable();
    table.uuid('session_id');
    table.timestamp('consumed_at', { useTz: true });
    table.timestamp('expires_at', { useTz: true });
    table.primary(['model', 'id']);
  });
  await knex.raw('create index oidc_models_session on oidc_models (session_id) where session_id is not null');
  await knex.raw('create index oidc_models_expires_at on oidc_models (expires_at)');

  await knex.schema.createTable('revoked_tokens', (table) => {
    table.text('jti').primary();
    table.timestamp('expires_at', { useTz: true }).notNullable();
    table.index('expires_at', 'revoked_tokens_expires_at');
  });

  await knex.schema.createTable('signing_keys', (table) => {
    table.text('kid').primary();
    table.text('alg').notNullable();
    table
      .text('status')
      .notNullable()
      .checkIn(['upcoming', 'current', 'retiring'], 'signing_keys_status_check');
    table.jsonb('public_jwk').notNullable();
    table.text('private_jwk_sealed').notNullable();
    table.timestamp('created_at', { useTz: true }).notNullable();
    table.timestamp('current_at', { useTz: true });
    table.timestamp('retiring_at', { useTz: true });
    table.timestamp('expires_at', { useTz: true });
  });
  // Of two nodes that make a key at once, one wins.
  await knex.raw(
    "create unique index signing_keys_one_of_each on signing_keys (status) where status in ('current', 'upcoming')",
  );

  await knex.schema.createTable('audit_events', (table) => {
    table.uuid('id').primary();
    table.timestamp('created_at', { useTz: true }).notNullable();
    table.text('type').notNullable();
    table.uuid('user_id');
    table.uuid('session_id');
    table.text('client_id');
    table.text('actor');
    table.text('actor_id');
    table.text('reason');
    table.text('ip');
    table.text('user_agent');
    table.text('request_id');
    table.jsonb('detail');
  });
  await knex.raw(
    'create index audit_events_session on audit_events (session_id, id) where session_id is not null',
  );
  await knex.raw('create index audit_events_user on audit_events (user_id, id) where user_id is not null');
  await knex.raw('create index audit_events_type on audit_events (type, id)');

  await makeAppendOnly(knex);

  await knex.schema.createTable('rate_limits', (table) => {
    table.text('key').primary();
    table.integer('points').notNullable().defaultTo(0);
    table.bigInteger('expire');
  });

  if (knex.client.config.client === 'pg') {
    // Room on each page for the new version of a rotated row.
    await knex.raw('alter table sessions set (fillfactor = 85)');
    // A search by prefix can use these whatever the collation.
    await knex.raw('create index users_username_prefix on users (username_key text_pattern_ops)');
    await knex.raw('create index users_email_prefix on users (email_key text_pattern_ops)');
  }
}

// The trail can be added to and swept, and nothing else. On Postgres the sweep has to say what it is; SQLite knows no
// such words, and there only changes are refused.
async function makeAppendOnly(knex: Knex): Promise<void> {
  if (knex.client.config.client !== 'pg') {
    await knex.raw(`create trigger audit_events_append_only before update on audit_events
      begin select raise(abort, 'audit_events is append-only'); end`);
    return;
  }
  await knex.raw(`create function audit_events_refuse() returns trigger language plpgsql as $$
    begin
      if tg_op = 'DELETE' and current_setting('kindred.sweep', true) = 'on' then return old; end if;
      raise exception 'audit_events is append-only';
    end $$`);
  await knex.raw(`create trigger audit_events_append_only before update or delete on audit_events
    for each row execute function audit_events_refuse()`);
  await knex.raw(`create trigger audit_events_no_truncate before truncate on audit_events
    for each statement execute function audit_events_refuse()`);
}

export async function down(knex: Knex): Promise<void> {
  const tables = [
    'rate_limits',
    'audit_events',
    'signing_keys',
    'revoked_tokens',
    'oidc_models',
    'sessions',
    'devices',
    'resource_servers',
    'clients',
    'users',
  ];
  for (const table of tables) await knex.schema.dropTableIfExists(table);
  if (knex.client.config.client === 'pg') await knex.raw('drop function if exists audit_events_refuse()');
}
