// The rotation profile `web`. The table of clients is never rebuilt or dropped: that would end the sessions of all clients.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';

export const config = { transaction: false };

const before = ['strict', 'spa', 'mobile', 'observe'];
const after = ['strict', 'web', 'spa', 'mobile', 'observe'];

export async function up(knex: Knex): Promise<void> {
  await atOnce(knex, (tx) => permit(tx, after));
}

// The previous version does not know `web`. A client keeps its retry window, which is written in its row.
export async function down(knex: Knex): Promise<void> {
  await atOnce(knex, async (tx) => {
    await tx.raw("update clients set rotation_profile = 'strict' where rotation_profile = 'web'");
    await permit(tx, before);
  });
}

// A statement that waits for the lock of the table, because a backup reads it, holds back every login behind it. So it waits two
// seconds at most, then lets them pass and tries again.
async function atOnce(knex: Knex, work: (tx: Knex.Transaction) => Promise<void>): Promise<void> {
  for (;;) {
    try {
      await knex.transaction(async (tx) => {
        if (isPostgres(tx)) await tx.raw("set local lock_timeout = '2s'");
        await work(tx);
      });
      return;
    } catch (error) {
      const { code = '' } = error as { code?: string };
      if (!['55P03', '40P01'].includes(code)) throw error;
    }
    await sleep(1_000);
  }
}

function isPostgres(knex: Knex): boolean {
  return knex.client.config.client === 'pg';
}

async function permit(knex: Knex, profiles: string[]): Promise<void> {
  const list = profiles.map((one) => `'${one}'`).join(', ');
  await (isPostgres(knex) ? onPostgres(knex, list) : onSqlite(knex, list));
}

async function onPostgres(knex: Knex, list: string): Promise<void> {
  const name = 'clients_rotation_profile_check';
  await knex.raw(`alter table clients drop constraint if exists ${name}`);
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
