// The media type in the header of a resource server's JWTs. Nodes of the previous version ignore the column and go on with `at+jwt`.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';

export const config = { transaction: false };

export async function up(knex: Knex): Promise<void> {
  await atOnce(knex, async (tx) => {
    if (await tx.schema.hasColumn('resource_servers', 'access_token_typ')) return;
    await tx.raw(
      `alter table resource_servers add column access_token_typ text not null default 'at+jwt'
       constraint resource_servers_access_token_typ_check check (access_token_typ in ('at+jwt', 'JWT'))`,
    );
  });
}

// A statement that waits for the lock of the table, because a backup reads it, holds back every reader behind it. So it waits two
// seconds at most, then lets them pass and tries again.
async function atOnce(knex: Knex, work: (tx: Knex.Transaction) => Promise<void>): Promise<void> {
  for (;;) {
    try {
      await knex.transaction(async (tx) => {
        if (tx.client.config.client === 'pg') await tx.raw("set local lock_timeout = '2s'");
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

export async function down(knex: Knex): Promise<void> {
  await knex.raw('alter table resource_servers drop column access_token_typ');
}
