// Executions of prepared statements over one connection. The driver's own asks for the description of the rows each time and
// works it out anew, which costs as much as the rows themselves; this one asks when a connection prepares the statement.

import pg from 'pg';
import { prepareValue } from 'pg/lib/utils.js';
import { toIsoTime } from './postgres_types.ts';

/** A statement that connections prepare under its name. */
export interface Prepared {
  name: string;
  text: string;
  /** Times come as ISO 8601 texts instead of Dates. */
  isoTimes: boolean;
  /** How its rows are read; unknown until the first connection has prepared it. */
  shape?: Shape;
}

interface Shape {
  columns: { name: string; read: (text: string) => unknown }[];
  /** A row with all columns, to be copied: filling an object in is faster than building it name by name. */
  empty: Row;
}

/** An execution that somebody waits for. */
export interface Execution {
  prepared: Prepared;
  values: unknown[];
  resolve: (rows: Row[]) => void;
  reject: (error: unknown) => void;
}

export type Row = Record<string, unknown>;

/** What this file uses of a client of the driver. */
export interface Client {
  connection: Wire;
  query: (query: pg.Submittable) => unknown;
}

interface Wire {
  stream: { cork: () => void; uncork: () => void };
  parsedStatements: Record<string, string>;
  submittedNamedStatements: Record<string, string>;
  parse: (message: { name: string; text: string }) => void;
  bind: (message: { statement: string; values: unknown[] }) => void;
  describe: (message: { type: 'P' }) => void;
  execute: () => void;
  sync: () => void;
}

/**
 * Executes statements on a client that nobody else uses and that allows pipelining: in their order, sent in one piece, each
 * a transaction of its own that fails alone. Returns when all of them have been answered.
 */
export async function executeAll(client: Client, executions: Execution[]): Promise<void> {
  const { stream, parsedStatements } = client.connection;
  const isPrepared = ({ prepared }: Execution) => parsedStatements[prepared.name] !== undefined;
  const { ready = [], fresh = [] } = Object.groupBy(executions, (one) =>
    isPrepared(one) ? 'ready' : 'fresh',
  );
  // Sent together, all of a name would fail with the one that was to prepare it.
  for (const one of fresh) await execute(client, one);
  stream.cork();
  const answers = ready.map((one) => execute(client, one));
  stream.uncork();
  await Promise.all(answers);
}

function execute(client: Client, { prepared, values, resolve, reject }: Execution): Promise<void> {
  return new Promise((done) => {
    const callback = (error: unknown, rows: Row[]) => {
      if (error) reject(error);
      else resolve(rows);
      done();
    };
    let written: unknown[];
    try {
      // Here, where one that cannot be written does no harm: an error in the middle of a message would leave the client stuck.
      written = values.map((value) => prepareValue(value));
    } catch (error) {
      return callback(error, []);
    }
    client.query(new PreparedQuery(prepared, written, callback) as unknown as pg.Submittable);
  });
}

// In a pipeline the driver takes its own queries only: others might keep a portal open, which this one does not.
const Query = pg.Query as unknown as new (config: { name: string; text: string }) => object;

class PreparedQuery extends Query {
  /** Read by the client, which keeps account of what its connection has prepared. */
  declare readonly name: string;
  declare readonly text: string;
  /** Called by the client, too, when its connection breaks. */
  callback: (error: unknown, rows: Row[]) => void;
  private readonly prepared: Prepared;
  private readonly written: unknown[];
  private readonly found: Row[] = [];
  private unreadable: unknown = null;

  constructor(prepared: Prepared, written: unknown[], callback: (error: unknown, rows: Row[]) => void) {
    super(prepared);
    this.prepared = prepared;
    this.written = written;
    this.callback = callback;
  }

  // All messages in one write: each would be a call to the system of its own.
  submit(wire: Wire): null {
    wire.stream.cork();
    try {
      const isNew = wire.parsedStatements[this.name] === undefined;
      if (isNew) {
        wire.parse({ name: this.name, text: this.text });
        wire.submittedNamedStatements[this.name] = this.text;
      }
      wire.bind({ statement: this.name, values: this.written });
      if (isNew || !this.prepared.shape) wire.describe({ type: 'P' });
      wire.execute();
      wire.sync();
    } finally {
      wire.stream.uncork();
    }
    return null;
  }

  handleRowDescription({ fields }: { fields: { name: string; dataTypeID: number }[] }): void {
    this.prepared.shape = {
      columns: fields.map(({ name, dataTypeID }) => ({
        name,
        read:
          this.prepared.isoTimes && dataTypeID === pg.types.builtins.TIMESTAMPTZ
            ? toIsoTime
            : pg.types.getTypeParser(dataTypeID),
      })),
      empty: Object.fromEntries(fields.map(({ name }) => [name, null])),
    };
  }

  // Called while the connection reads: what is thrown here would end the process, so it is kept for the end.
  handleDataRow({ fields }: { fields: (string | null)[] }): void {
    try {
      this.found.push(readRow(this.prepared.shape as Shape, fields));
    } catch (error) {
      this.unreadable = error;
    }
  }

  handleCommandComplete(): void {}

  handleError(error: unknown): void {
    this.callback(error, []);
  }

  handleReadyForQuery(): void {
    this.callback(this.unreadable, this.found);
  }
}

function readRow({ columns, empty }: Shape, fields: (string | null)[]): Row {
  const row: Row = { ...empty };
  let index = 0;
  for (const { name, read } of columns) {
    const text = fields[index] ?? null;
    if (text !== null) row[name] = read(text);
    index += 1;
  }
  return row;
}
