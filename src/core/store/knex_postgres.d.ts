// The part of Knex's Postgres dialect that Kindred builds on; Knex publishes no types for its dialects. The test
// test/core/store/pg_internals.test.ts names each internal.
declare module 'knex/lib/dialects/postgres/index.js' {
  import type { Knex } from 'knex';
  import type { Client } from 'pg';

  export interface Transaction extends Knex.Transaction {
    acquireConnection(config: unknown, use: (connection: Client) => Promise<unknown>): Promise<unknown>;
  }
  export interface Builder {
    /** What a query builder does: `select`, `insert`, `update`, `del` and others; a raw statement has none. */
    _method?: string;
    /** The text of a raw statement; a query builder has none. */
    sql?: unknown;
  }
  interface Runner {
    connection: Client;
    ensureConnection(run: (runner: Runner, more: unknown) => unknown, more?: unknown): Promise<unknown>;
  }
  export interface PgQuery {
    sql: string;
  }
  export default class PgDialect extends Knex.Client {
    /** True for the client of a transaction. */
    readonly transacting?: boolean;
    config: Knex.Config;
    _driver(): object;
    runner(builder: Builder): Runner;
    transaction(container: unknown, config: Knex.TransactionConfig | undefined, outer: unknown): Transaction;
    _query(connection: Client, query: PgQuery): Promise<unknown>;
  }
}
