// An index for the messages that expire: every node looks for expired ones each second, however many others wait.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.raw('create index outbox_expires on outbox (expires_at) where expires_at is not null');
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop index outbox_expires');
}
