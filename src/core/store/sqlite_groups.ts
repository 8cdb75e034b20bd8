// Sends prepared statements to SQLite, those of one moment in one transaction: a commit waits for the disk, and eight updates in
// one transaction need a third of the time of eight transactions (docs/decisions/009).
import { promisify } from 'node:util';
import type { Database, Statement } from 'sqlite3';

type Row = Record<string, unknown>;

/** Knex's client with its only connection, which no two callers have at once. */
export interface SqlitePool {
  acquireConnection: () => Promise<Database>;
  releaseConnection: (connection: Database) => unknown;
}

/** A statement with `?1`, `?2` and so on for its values. */
export interface SqliteStatement {
  text: string;
  /** Reads need no transaction and do not wait for the writes of their moment. */
  writes: boolean;
}

interface Execution {
  statement: SqliteStatement;
  values: unknown[];
  resolve: (rows: Row[]) => void;
  reject: (error: unknown) => void;
}

/** The largest number of statements that go together, so that none waits long for the others. */
const maxGroup = 32;

/** The largest number of statements that a connection keeps prepared; there are about forty. */
const maxPrepared = 200;

// Groups that wait for the connection and that further statements may join.
const waiting = new WeakMap<SqlitePool, Execution[]>();

/** The rows of a statement. A write is answered when its transaction is committed. */
export function executeGrouped(
  pool: SqlitePool,
  statement: SqliteStatement,
  values: unknown[],
): Promise<Row[]> {
  const { promise, ...settle } = Promise.withResolvers<Row[]>();
  const execution = { statement, values, ...settle };
  const group = waiting.get(pool);
  if (group) {
    group.push(execution);
    if (group.length === maxGroup) waiting.delete(pool);
  } else {
    const opened = [execution];
    waiting.set(pool, opened);
    // After everything that arrived together with this statement has been processed.
    setImmediate(() => send(pool, opened));
  }
  return promise;
}

async function send(pool: SqlitePool, group: Execution[]): Promise<void> {
  try {
    const connection = await pool.acquireConnection().finally(() => {
      if (waiting.get(pool) === group) waiting.delete(pool);
    });
    try {
      await executeAll(connection, group);
    } finally {
      pool.releaseConnection(connection);
    }
  } catch (error) {
    for (const { reject } of group) reject(error);
  }
}

async function executeAll(connection: Database, group: Execution[]): Promise<void> {
  const writes = group.filter(({ statement }) => statement.writes);
  for (const one of group) if (!one.statement.writes) await executeAlone(connection, one);
  const [first] = writes;
  if (first && writes.length === 1) await executeAlone(connection, first);
  else if (first) await executeTogether(connection, writes);
}

async function executeAlone(connection: Database, one: Execution): Promise<void> {
  try {
    one.resolve(await run(connection, one));
  } catch (error) {
    one.reject(error);
  }
}

/** Errors of a statement alone: SQLite undoes it and leaves the transaction as it was. Others may have undone everything. */
const ownErrors = /^SQLITE_(CONSTRAINT|ERROR|MISMATCH|RANGE|TOOBIG)$/;

async function executeTogether(connection: Database, group: Execution[]): Promise<void> {
  const exec = promisify(connection.exec.bind(connection));
  await exec('begin immediate');
  const answers: (() => void)[] = [];
  try {
    for (const one of group) {
      try {
        const rows = await run(connection, one);
        answers.push(() => one.resolve(rows));
      } catch (error) {
        if (!ownErrors.test((error as { code?: string }).code ?? '')) throw error;
        answers.push(() => one.reject(error));
      }
    }
    await exec('commit');
  } catch (error) {
    // Fails where SQLite has rolled back by itself.
    await exec('rollback').catch(() => {});
    throw error;
  }
  for (const answer of answers) answer();
}

async function run(connection: Database, { statement, values }: Execution): Promise<Row[]> {
  const prepared = await prepare(connection, statement.text);
  return await new Promise((resolve, reject) => {
    prepared.all<Row>(values, (error, rows) => (error ? reject(error) : resolve(rows)));
  });
}

const preparedOf = new WeakMap<Database, Map<string, Statement>>();

async function prepare(connection: Database, text: string): Promise<Statement> {
  const known = preparedOf.get(connection) ?? new Map<string, Statement>();
  preparedOf.set(connection, known);
  const found = known.get(text);
  if (found) return found;
  if (known.size >= maxPrepared) await finalizeStatements(connection);
  const prepared = await new Promise<Statement>((resolve, reject) => {
    const one: Statement = connection.prepare(text, (error: Error | null) =>
      error ? reject(error) : resolve(one),
    );
  });
  known.set(text, prepared);
  return prepared;
}

/** Finalizes the prepared statements of a connection. SQLite does not close a connection that still has some. */
export async function finalizeStatements(connection: Database): Promise<void> {
  const known = preparedOf.get(connection);
  if (!known) return;
  const all = [...known.values()];
  known.clear();
  for (const one of all) await new Promise((done) => one.finalize(done));
}
