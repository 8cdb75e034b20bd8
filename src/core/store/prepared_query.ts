// Runs prepared statements on one connection. The driver's own Query asks for a description of the rows at each execution,
// which costs as much as the rows themselves; this one asks once, when a connection prepares the statement.
import pg from 'pg';
import Query from 'pg/lib/query.js';
import { prepareValue } from 'pg/lib/utils.js';
import { localCommitColumn } from './local_commit.ts';
import { toIsoTime } from './postgres_types.ts';

/** A statement that connections prepare under its name. */
export interface Prepared {
  name: string;
  text: string;
  /** Times come as ISO 8601 texts instead of Dates. */
  isoTimes: boolean;
  /** How its rows are read; unknown until the first connection has prepared the statement. */
  shape?: Shape;
}

interface Shape {
  columns: { name: string; read: (text: string) => unknown }[];
  /** A row with all columns, to be copied: filling in an object is faster than adding its properties one by one. */
  empty: Row;
}

/** One execution of a statement, with the promise of its caller. */
export interface Execution {
  prepared: Prepared;
  values: unknown[];
  resolve: (rows: Row[]) => void;
  reject: (error: unknown) => void;
}

export type Row = Record<string, unknown>;

/**
 * Executes statements on a client in pipeline mode that no other caller uses: in their order, sent in one piece, each in a
 * transaction of its own that fails alone. Returns when all of them have been answered.
 */
export async function executeAll(client: pg.Client, executions: Execution[]): Promise<void> {
  const { stream, parsedStatements } = client.connection;
  const isPrepared = ({ prepared }: Execution) => parsedStatements[prepared.name] !== undefined;
  const { ready = [], fresh = [] } = Object.groupBy(executions, (one) =>
    isPrepared(one) ? 'ready' : 'fresh',
  );
  // A statement that is not yet prepared is sent alone: one failed Parse would fail every queued execution of its name.
  for (const one of fresh) await execute(client, one);
  stream.cork();
  const answers = ready.map((one) => execute(client, one));
  stream.uncork();
  await Promise.all(answers);
}

function execute(client: pg.Client, { prepared, values, resolve, reject }: Execution): Promise<void> {
  return new Promise((done) => {
    const callback = (error: unknown, rows: Row[]) => {
      if (error) reject(error);
      else resolve(rows);
      done();
    };
    let written: unknown[];
    try {
      // Before anything is sent: an error in the middle of a message would leave the client stuck.
      written = values.map((value) => prepareValue(value));
    } catch (error) {
      return callback(error, []);
    }
    client.query(new PreparedQuery(prepared, written, callback));
  });
}

// A client in pipeline mode accepts only subclasses of its own Query: others might keep a portal open, which this one
// does not.
class PreparedQuery extends Query {
  /** The client reads both to record what its connection has prepared. */
  declare readonly name: string;
  declare readonly text: string;
  /** The client calls it too, when its connection breaks. */
  callback: (error: unknown, rows: Row[]) => void;
  private readonly prepared: Prepared;
  private readonly written: unknown[];
  private readonly found: Row[] = [];
  private readError: unknown = null;

  constructor(prepared: Prepared, written: unknown[], callback: (error: unknown, rows: Row[]) => void) {
    // With an object instead of the text it would copy that, property by property.
    super(prepared.text);
    this.name = prepared.name;
    this.prepared = prepared;
    this.written = written;
    this.callback = callback;
  }

  // Sends all messages in one write: each write is a system call.
  submit(connection: pg.Connection): null {
    connection.stream.cork();
    try {
      const isNew = connection.parsedStatements[this.name] === undefined;
      if (isNew) {
        connection.parse({ name: this.name, text: this.text });
        connection.submittedNamedStatements[this.name] = this.text;
      }
      connection.bind({ statement: this.name, values: this.written });
      if (isNew || !this.prepared.shape) connection.describe({ type: 'P' });
      connection.execute();
      connection.sync();
    } finally {
      connection.stream.uncork();
    }
    return null;
  }

  handleRowDescription({ fields: all }: { fields: { name: string; dataTypeID: number }[] }): void {
    const { isoTimes } = this.prepared;
    // The last column may be a setting of the transaction (local_commit.ts), which is no part of the row.
    const fields = all.at(-1)?.name === localCommitColumn ? all.slice(0, -1) : all;
    this.prepared.shape = {
      columns: fields.map(({ name, dataTypeID }) => ({ name, read: readerOf(dataTypeID, isoTimes) })),
      empty: Object.fromEntries(fields.map(({ name }) => [name, null])),
    };
  }

  // Called while the connection reads: an error thrown here would end the process, so it is kept until the end.
  handleDataRow({ fields }: { fields: (string | null)[] }): void {
    try {
      this.found.push(readRow(this.prepared.shape, fields));
    } catch (error) {
      this.readError = error;
    }
  }

  handleCommandComplete(): void {}

  handleError(error: unknown): void {
    this.callback(error, []);
  }

  handleReadyForQuery(): void {
    this.callback(this.readError, this.found);
  }
}

function readerOf(dataTypeID: number, isoTimes: boolean): (text: string) => unknown {
  if (isoTimes && dataTypeID === pg.types.builtins.TIMESTAMPTZ) return toIsoTime;
  return pg.types.getTypeParser(dataTypeID);
}

function readRow(shape: Shape | undefined, fields: (string | null)[]): Row {
  if (!shape) throw new Error('a row came before the description of its columns');
  const row: Row = { ...shape.empty };
  let index = 0;
  for (const { name, read } of shape.columns) {
    const text = fields[index] ?? null;
    if (text !== null) row[name] = read(text);
    index += 1;
  }
  return row;
}
