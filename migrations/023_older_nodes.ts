// What nodes of the previous version do to a user during an upgrade. They know neither `code_version` nor `email_verified_at`: without
// this, codes and links would outlive their change of a password, address or status, and an address that they write would count as proved.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';

export const config = { transaction: false };

// Nodes of this version raise `code_version` themselves. A hash that changes while `token_version` stays is a stronger one of the same
// password.
const byOlderNode = (differ: string) => `new.code_version = old.code_version and (
    new.email_key ${differ} old.email_key or new.status ${differ} old.status
    or (new.password_hash ${differ} old.password_hash and new.token_version > old.token_version))`;

const columns = 'password_hash, email_key, status';

export async function up(knex: Knex): Promise<void> {
  await down(knex);
  if (isPostgres(knex)) await atOnce(knex, createOnPostgres);
  else await createOnSqlite(knex);
}

// A password that is good for nothing stays so: somebody else may have changed it.
async function createOnPostgres(tx: Knex.Transaction): Promise<void> {
  await tx.raw(`create function users_of_older_nodes() returns trigger language plpgsql as $$
    begin
      new.code_version := old.code_version + 1;
      if new.email_key is distinct from old.email_key then new.email_verified_at := null; end if;
      if new.password_hash is distinct from old.password_hash and old.password_use = 'replace' then new.password_use := null; end if;
      if new.status = 'deleted' then new.claims := null; end if;
      return new;
    end $$`);
  await tx.raw(`create trigger users_of_older_nodes before update of ${columns} on users
    for each row when (${byOlderNode('is distinct from')}) execute function users_of_older_nodes()`);
}

async function createOnSqlite(knex: Knex): Promise<void> {
  await knex.raw(`create trigger users_of_older_nodes after update of ${columns} on users when ${byOlderNode('is not')}
    begin
      update users set code_version = old.code_version + 1,
        email_verified_at = case when new.email_key is not old.email_key then null else email_verified_at end,
        password_use = case when new.password_hash is not old.password_hash and old.password_use = 'replace' then null else password_use end,
        claims = case when new.status = 'deleted' then null else claims end
      where id = new.id;
    end`);
}

export async function down(knex: Knex): Promise<void> {
  if (!isPostgres(knex)) {
    await knex.raw('drop trigger if exists users_of_older_nodes');
    return;
  }
  await atOnce(knex, async (tx) => {
    await tx.raw('drop trigger if exists users_of_older_nodes on users');
    await tx.raw('drop function if exists users_of_older_nodes()');
  });
}

// A statement that waits for the lock of the table, because a backup reads it, holds back every login behind it. So it waits two
// seconds at most, then lets them pass and tries again.
async function atOnce(knex: Knex, work: (tx: Knex.Transaction) => Promise<void>): Promise<void> {
  for (;;) {
    try {
      await knex.transaction(async (tx) => {
        await tx.raw("set local lock_timeout = '2s'");
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
