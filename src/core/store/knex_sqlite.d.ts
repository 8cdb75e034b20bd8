// Knex ships no types for its dialects; this is the part that we build on.
declare module 'knex/lib/dialects/sqlite3/index.js' {
  interface Transaction {
    begin(connection: unknown): Promise<unknown>;
    query(connection: unknown, sql: string): Promise<unknown>;
  }
  export interface SqliteBuilder {
    /** What the builder was given once: among it, the table. */
    _single: { table?: unknown };
    queryContext(): unknown;
    queryContext(context: object): this;
  }
  export default class SqliteClient {
    queryCompiler(builder: SqliteBuilder, formatter: unknown): unknown;
    constructor(config: object);
    transaction(...args: unknown[]): Transaction;
  }
}
