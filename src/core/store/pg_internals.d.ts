// The internals of pg that Kindred uses and that its published types leave out. They may change with any minor version, so
// package.json pins pg to its minor, and test/core/store/pg_internals.test.ts names each of them.
import 'pg';

declare module 'pg' {
  interface Client {
    /** False while the connection owes an answer. */
    readonly readyForQuery: boolean;
    /** The parameters of the first message to Postgres. */
    getStartupConf(): Record<string, string>;
    /** The settings of the connection, those of the URL and the environment included. */
    readonly connectionParameters: object;
    /** By these two Postgres knows a connection that asks to cancel a statement of this one. */
    readonly processID: number;
    readonly secretKey: number;
    /** The query that is being answered. */
    _getActiveQuery(): { callback: (error: unknown, result: unknown) => void } | null;
  }

  interface Connection {
    /** The texts of the statements that this connection has prepared, by name. */
    readonly parsedStatements: Record<string, string>;
    /** The same for statements whose Parse is under way. */
    readonly submittedNamedStatements: Record<string, string>;
    parse(message: { name: string; text: string }): void;
    bind(message: { statement: string; values: unknown[] }): void;
    describe(message: { type: 'P' }): void;
    execute(): void;
    startup(parameters: Record<string, string>): void;
    cancel(processID: number, secretKey: number): void;
  }
}
