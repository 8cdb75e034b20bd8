// The outbox: what must reach somebody outside, written in the transaction that causes it. `logout_notices` stays for nodes of the
// previous version, which still write to it during an upgrade; the delivery moves its rows into the outbox.
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('outbox', (table) => {
    table.uuid('id').primary();
    table.text('kind').notNullable();
    // Whom one slow receiver delays: the client of a logout token. Mails do not wait for each other.
    table.text('receiver').notNullable();
    table.text('subject').notNullable();
    table.text('state').notNullable().defaultTo('waiting');
    table.integer('attempts').notNullable().defaultTo(0);
    table.timestamp('next_attempt_at', { useTz: true }).notNullable();
    // After this a message is of no use, such as a mail with a code.
    table.timestamp('expires_at', { useTz: true });
    table.uuid('user_id');
    table.uuid('session_id');
    table.text('client_id');
    table.text('body');
    table.text('last_error');
    table.timestamp('created_at', { useTz: true }).notNullable();
  });
  await knex.raw(
    "create index outbox_due on outbox (kind, receiver, next_attempt_at) where state = 'waiting'",
  );
  await knex.raw('create index outbox_state on outbox (state, id)');
  await knex.raw('create index outbox_user on outbox (user_id) where user_id is not null');
  await knex.raw('create index outbox_client on outbox (client_id) where client_id is not null');
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('outbox');
}
