// Users without a username, verified addresses, profile claims, and one-time codes. Every address that exists is one that nobody has
// proved: it goes on to log in its user, and is good for nothing else until it is proved. Made beside nodes of the previous version.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';

export const config = { transaction: false };

export async function up(knex: Knex): Promise<void> {
  await atOnce(knex, async (tx) => {
    await addColumns(tx);
    await allowNoUsername(tx);
  });
  if (!(await knex.schema.hasTable('one_time_codes'))) await atOnce(knex, createCodes);
}

async function addColumns(tx: Knex.Transaction): Promise<void> {
  if (await tx.schema.hasColumn('users', 'email_verified_at')) return;
  await tx.schema.alterTable('users', (table) => {
    table.timestamp('email_verified_at', { useTz: true });
    table.jsonb('claims');
    // Raised by every change of password, address, factors or status: a code that carries a lower one is void.
    table.integer('code_version').notNullable().defaultTo(0);
    // What the password is good for, where that is less than everything.
    table.text('password_use');
  });
}

// Usernames must not be required: a user may have an address alone.
async function allowNoUsername(tx: Knex.Transaction): Promise<void> {
  if (isPostgres(tx)) {
    await tx.raw(
      'alter table users alter column username drop not null, alter column username_key drop not null',
    );
    return;
  }
  // SQLite cannot drop a constraint. It goes with its column, and the indexes of the column are made anew.
  const indexes: { name: string; sql: string }[] = await tx('sqlite_schema')
    .where({ type: 'index', tbl_name: 'users' })
    .where('sql', 'like', '%username%')
    .select('name', 'sql');
  for (const { name } of indexes) await tx.raw(`drop index ${name}`);
  for (const column of ['username', 'username_key']) {
    await tx.raw(`alter table users add column next_${column} text`);
    await tx.raw(`update users set next_${column} = ${column}`);
    await tx.raw(`alter table users drop column ${column}`);
    await tx.raw(`alter table users rename column next_${column} to ${column}`);
  }
  for (const { sql } of indexes) await tx.raw(sql);
}

async function createCodes(tx: Knex.Transaction): Promise<void> {
  await tx.schema.createTable('one_time_codes', (table) => {
    table.uuid('id').primary();
    table.text('purpose').notNullable();
    // Null for an address without a user, and for a request that named no user at all.
    table.uuid('user_id').references('users.id').onDelete('cascade');
    table.text('address');
    table.text('address_key');
    // Digest of the request that asked: its code is good only together with it.
    table.text('request_digest');
    table.text('code_mac');
    table.text('link_digest').unique({ indexName: 'one_time_codes_link' });
    table.integer('code_version');
    table.text('payload');
    table.uuid('created_by');
    table.integer('tries').notNullable().defaultTo(0);
    table.timestamp('code_expires_at', { useTz: true });
    table.timestamp('expires_at', { useTz: true }).notNullable();
    table.timestamp('used_at', { useTz: true });
    table.timestamp('created_at', { useTz: true }).notNullable();
  });
  await tx.raw(
    'create index one_time_codes_request on one_time_codes (request_digest, purpose, id) where request_digest is not null',
  );
  await tx.raw(
    'create index one_time_codes_user on one_time_codes (user_id, purpose, id) where user_id is not null',
  );
  await tx.raw(
    'create index one_time_codes_address on one_time_codes (address_key, purpose, id) where address_key is not null',
  );
  await tx.raw('create index one_time_codes_purpose on one_time_codes (purpose, id)');
  await tx.raw('create index one_time_codes_expires_at on one_time_codes (expires_at)');
}

// Fails while a user has no username: the previous version needs one.
export async function down(knex: Knex): Promise<void> {
  if (await knex('users').whereNull('username').first('id'))
    throw new Error('there are users without a username');
  await atOnce(knex, async (tx) => {
    await tx.schema.dropTableIfExists('one_time_codes');
    for (const column of ['email_verified_at', 'claims', 'code_version', 'password_use'])
      await tx.raw(`alter table users drop column ${column}`);
    if (isPostgres(tx))
      await tx.raw(
        'alter table users alter column username set not null, alter column username_key set not null',
      );
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
