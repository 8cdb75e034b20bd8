// By what a device is known to have logged in before: secrets of the server's own making, kept as digests. A device_id is
// chosen by the client and can be guessed.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('devices', (table) => {
    table.text('secret_digest');
    // Digest of the password hash by which it was given; after a change of the password the secret is good no more.
    table.text('secret_proof');
  });
  await knex.schema.createTable('known_browsers', (table) => {
    // Digest of the secret in the browser's cookie.
    table.text('id').primary();
    table.text('proof').notNullable();
    table.uuid('user_id').notNullable().references('users.id').onDelete('cascade');
    table.timestamp('created_at', { useTz: true }).notNullable();
    table.timestamp('last_used_at', { useTz: true }).notNullable();
    table.index(['user_id', 'last_used_at'], 'known_browsers_user');
    table.index('last_used_at', 'known_browsers_last_used_at');
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('known_browsers');
  for (const column of ['secret_digest', 'secret_proof'])
    await knex.raw(`alter table devices drop column ${column}`);
}
