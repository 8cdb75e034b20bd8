// Sessions whose tokens need nothing but a signature, so that their refresh is one statement that knows so (core/plain_refresh.ts).
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('sessions', (table) => {
    // Those that exist already take the longer way until their users log in again.
    table.boolean('is_plain').notNullable().defaultTo(false);
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.alterTable('sessions', (table) => table.dropColumn('is_plain'));
}
