// Knex's client of Postgres, with a bounded wait for a synchronous standby (standby.ts): for the commits of transactions, and for
// statements that write outside of one. Reads wait for nothing.
import type { Knex } from 'knex';
import PgDialect, { type Builder, type PgQuery, type Transaction } from 'knex/lib/dialects/postgres/index.js';
import pg, { type Client } from 'pg';
import { PostgresClient } from './postgres_client.ts';
import { StandbyAwayError, standbyOf } from './standby.ts';

// Connections in a transaction that only reads: its commit waits for nothing.
const reading = new WeakSet<object>();

const beginReading = 'BEGIN TRANSACTION READ ONLY;';

/** Knex for Postgres; see the top of this file. */
export class PostgresDialect extends PgDialect {
  constructor(config: Knex.Config) {
    super(config);
    // What is written for both databases asks for this name, migrations above all.
    this.config.client = 'pg';
  }

  override _driver(): object {
    return { ...pg, Client: PostgresClient };
  }

  override transaction(
    container: unknown,
    config: Knex.TransactionConfig | undefined,
    outer: unknown,
  ): Transaction {
    const transaction = super.transaction(container, config, outer);
    if (this.transacting || config?.readOnly || config?.connection) return transaction;
    const acquire = transaction.acquireConnection.bind(transaction);
    transaction.acquireConnection = (...args) => standbyOf(this).admit(() => acquire(...args));
    return transaction;
  }

  override runner(builder: Builder) {
    const runner = super.runner(builder);
    if (this.transacting || !isWrite(builder)) return runner;
    const ensure = runner.ensureConnection.bind(runner);
    const standby = standbyOf(this);
    runner.ensureConnection = (run, more) =>
      standby.admit(() =>
        ensure(async (one, given) => {
          const found = await standby.hold(one.connection, async () => await run(one, given));
          standby.requirePresent();
          return found;
        }, more),
      );
    return runner;
  }

  override async _query(connection: Client, query: PgQuery): Promise<unknown> {
    // Each BEGIN says what its transaction is: one that only read may have ended by a rollback.
    if (query.sql === beginReading) reading.add(connection);
    else if (query.sql.startsWith('BEGIN')) reading.delete(connection);
    if (query.sql !== 'COMMIT;' || reading.delete(connection)) return await super._query(connection, query);
    const standby = standbyOf(this);
    if (standby.state === 'away') {
      await super._query(connection, { ...query, sql: 'ROLLBACK' });
      standby.requirePresent();
      throw new StandbyAwayError();
    }
    const done = await standby.hold(connection, () => super._query(connection, query));
    standby.requirePresent();
    return done;
  }
}

const writing = /^\s*(?:insert|update|delete|with\b[\s\S]*\b(?:insert|update|delete)\b)/i;

function isWrite({ _method: method, sql }: Builder): boolean {
  if (method === undefined) return typeof sql === 'string' && writing.test(sql);
  return method === 'insert' || method === 'update' || method === 'del';
}
