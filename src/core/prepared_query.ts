// One execution of a prepared statement, as the driver lets others write them (pg-cursor is another). The driver's own asks
// for the description of the rows each time and works it out anew, which costs as much as the rows themselves; this one
// asks when a connection prepares the statement.
import pg from 'pg';
import { prepareValue } from 'pg/lib/utils.js';
import { isoOf } from './db.ts';

/** A statement that connections prepare under its name. */
export interface Prepared {
  name: string;
  text: string;
  /** Times come as ISO 8601 instead of as dates. */
  writesTimes: boolean;
  /** How its rows are read; unknown until the first connection has prepared it. */
  shape?: Shape;
}

interface Shape {
  columns: { name: string; read: (text: string) => unknown }[];
  /** A row with all columns, to be copied: filling an object in is faster than building it name by name. */
  empty: Row;
}

/** What this file uses of a connection of the driver. */
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

type Row = Record<string, unknown>;

/** Executes a statement on a client of the driver that nobody else uses, preparing it there first when need be. */
export function executePrepared(
  client: { query: (query: pg.Submittable) => unknown },
  prepared: Prepared,
  values: unknown[],
): Promise<Row[]> {
  return new Promise((resolve, reject) => {
    const callback = (error: unknown, rows: Row[]) => (error ? reject(error) : resolve(rows));
    // Here, where one that cannot be written does no harm: an error in the middle of a message would leave the client stuck.
    const written = values.map((value) => prepareValue(value));
    client.query(new PreparedQuery(prepared, written, callback) as unknown as pg.Submittable);
  });
}

class PreparedQuery {
  /** Read by the client, which keeps account of what its connection has prepared. */
  readonly name: string;
  readonly text: string;
  /** Called by the client, too, when its connection breaks. */
  callback: (error: unknown, rows: Row[]) => void;
  private readonly prepared: Prepared;
  private readonly values: unknown[];
  private readonly rows: Row[] = [];
  private unreadable: unknown = null;

  constructor(prepared: Prepared, values: unknown[], callback: (error: unknown, rows: Row[]) => void) {
    this.name = prepared.name;
    this.text = prepared.text;
    this.prepared = prepared;
    this.values = values;
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
      wire.bind({ statement: this.name, values: this.values });
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
          this.prepared.writesTimes && dataTypeID === pg.types.builtins.TIMESTAMPTZ
            ? isoOf
            : pg.types.getTypeParser(dataTypeID),
      })),
      empty: Object.fromEntries(fields.map(({ name }) => [name, null])),
    };
  }

  // Called while the connection reads: what is thrown here would end the process, so it is kept for the end.
  handleDataRow({ fields }: { fields: (string | null)[] }): void {
    try {
      this.rows.push(readRow(this.prepared.shape as Shape, fields));
    } catch (error) {
      this.unreadable = error;
    }
  }

  handleCommandComplete(): void {}

  handleError(error: unknown): void {
    this.callback(error, []);
  }

  handleReadyForQuery(): void {
    this.callback(this.unreadable, this.rows);
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
