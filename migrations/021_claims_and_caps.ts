// Claims that clients and resource servers ask for, and the most sessions of one user through one client.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';

export const config = { transaction: false };

const columns = [
  ['clients', 'claims', 'json'],
  ['clients', 'max_sessions', 'integer'],
  ['resource_servers', 'claims', 'json'],
] as const;

export async function up(knex: Knex): Promise<void> {
  for (const [table, column, type] of columns) {
    if (await knex.schema.hasColumn(table, column)) continue;
    const sqlType = type === 'json' && isPostgres(knex) ? 'jsonb' : type;
    await atOnce(knex, async (tx) => {
      await tx.raw(`alter table ${table} add column ${column} ${sqlType}`);
    });
  }
}

export async function down(knex: Knex): Promise<void> {
  for (const [table, column] of columns) {
    await atOnce(knex, async (tx) => {
      await tx.raw(`alter table ${table} drop column ${column}`);
    });
  }
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
