// The part of Knex's SQLite dialect that Kindred builds on; Knex publishes no types for its dialects. The test
// test/core/store/pg_internals.test.ts names each internal.
declare module 'knex/lib/dialects/sqlite3/index.js' {
  import type { Knex } from 'knex';
  import type { Database } from 'sqlite3';

  interface Transaction extends Knex.Transaction {
    begin(connection: unknown): Promise<unknown>;
    query<Row extends object, Result>(connection: unknown, sql: string): Knex.QueryBuilder<Row, Result>;
  }
  export interface SqliteBuilder {
    /** The parts of the query that the builder was given; the table is one of them. */
    _single: { table?: unknown };
    queryContext(): unknown;
    queryContext(context: object): this;
  }
  export default class SqliteClient extends Knex.Client {
    queryCompiler(builder: SqliteBuilder, formatter?: unknown): unknown;
    transaction(...args: unknown[]): Transaction;
    destroyRawConnection(connection: Database): Promise<void>;
  }
}
