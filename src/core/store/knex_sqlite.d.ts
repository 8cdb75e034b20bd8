// Knex ships no types for its dialects; this is the part that we build on.
declare module 'knex/lib/dialects/sqlite3/index.js' {
  interface Transaction {
    begin(connection: unknown): Promise<unknown>;
    query(connection: unknown, sql: string): Promise<unknown>;
  }
  export default class SqliteClient {
    constructor(config: object);
    transaction(...args: unknown[]): Transaction;
  }
}
