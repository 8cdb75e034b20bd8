// The rotation profile `web`. The table of clients is never rebuilt or dropped: that would end the sessions of all clients.
import type { Knex } from 'knex';

const before = ['strict', 'spa', 'mobile', 'observe'];
const after = ['strict', 'web', 'spa', 'mobile', 'observe'];

export async function up(knex: Knex): Promise<void> {
  await permit(knex, after);
}

// The previous version does not know `web`. A client keeps its retry window, which is written in its row.
export async function down(knex: Knex): Promise<void> {
  await knex.raw("update clients set rotation_profile = 'strict' where rotation_profile = 'web'");
  await permit(knex, before);
}

async function permit(knex: Knex, profiles: string[]): Promise<void> {
  const list = profiles.map((one) => `'${one}'`).join(', ');
  await (knex.client.config.client === 'pg' ? onPostgres(knex, list) : onSqlite(knex, list));
}

async function onPostgres(knex: Knex, list: string): Promise<void> {
  const name = 'clients_rotation_profile_check';
  await knex.raw(`alter table clients drop constraint ${name}`);
  await knex.raw(`alter table clients add constraint ${name} check (rotation_profile in (${list}))`);
}

// SQLite cannot change a constraint. It goes with its column. Triggers and foreign keys stay, and nothing is referenced by position.
async function onSqlite(knex: Knex, list: string): Promise<void> {
  await knex.raw(
    `alter table clients add column next_profile text not null default 'strict' check (next_profile in (${list}))`,
  );
  await knex.raw('update clients set next_profile = rotation_profile');
  await knex.raw('alter table clients drop column rotation_profile');
  await knex.raw('alter table clients rename column next_profile to rotation_profile');
}
