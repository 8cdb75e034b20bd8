// The last eight rotations of each session and the rotations of the last hours, which are overwritten, so that neither table
// grows with use. They take the place of an event in the trail for each rotation. The previous version writes neither table.
import type { Knex } from 'knex';

const isPostgres = (knex: Knex) => knex.client.config.client === 'pg';

// No foreign key: each new row would lock the row of its session, which rotations update. The columns stand in an order that
// needs no padding. On Postgres, room on each page for the new version of a row keeps an update from touching the index.
const ring = {
  pg: `create table session_rotations (session_id uuid not null, rotated_at timestamptz not null, generation integer not null,
    slot smallint not null, ip text, user_agent text, primary key (session_id, slot)) with (fillfactor = 85)`,
  sqlite: `create table session_rotations (session_id char(36) not null, slot integer not null, generation integer not null,
    rotated_at datetime not null, ip text, user_agent text, primary key (session_id, slot)) without rowid`,
};

const hours = {
  pg: `create table hourly_rotations (slot smallint primary key, hour timestamptz not null, rotations bigint not null)
    with (fillfactor = 10)`,
  sqlite:
    'create table hourly_rotations (slot integer primary key, hour datetime not null, rotations integer not null)',
};

export async function up(knex: Knex): Promise<void> {
  const database = isPostgres(knex) ? 'pg' : 'sqlite';
  await knex.raw(ring[database]);
  await knex.raw(hours[database]);
  // From where the session was opened, which rotations do not change. Null in sessions that the previous version opens.
  await knex.raw('alter table sessions add column login_ip text');
  await knex.raw('alter table sessions add column login_user_agent text');
}

// Not through the schema builder, which on SQLite would copy the table of sessions.
export async function down(knex: Knex): Promise<void> {
  await knex.raw('alter table sessions drop column login_user_agent');
  await knex.raw('alter table sessions drop column login_ip');
  await knex.schema.dropTable('hourly_rotations');
  await knex.schema.dropTable('session_rotations');
}
