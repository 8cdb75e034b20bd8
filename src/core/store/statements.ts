// The statements of the hot path: prepared on Postgres, once a connection, and sent without a query builder. Knex needs
// some 50 to 100 µs to build, format and unwrap what a refresh asks; this needs about a tenth of that.
import type { EventEmitter } from 'node:events';
import type { Knex } from 'knex';
import type { ColumnsOf } from './columns.ts';
import { noteDatabaseError } from './database_errors.ts';
import { type Db, isPostgres, readRows } from './db.ts';
import { executeAlone, executeSoon } from './pipeline.ts';
import type { Prepared } from './prepared_query.ts';
import { present, presentOnPostgres } from './sql_time.ts';

type Values = Record<string, Knex.RawBinding | string[]>;

/** A statement whose values are named; `:now` in it is the present and is not among them. */
export type Statement<Row> = (db: Db, values: Values) => Promise<Row[]>;

interface Numbered extends Prepared {
  /** Which value each `$n` of the text is. */
  order: string[];
}

/** A row whose times are written as ISO 8601. */
export type Written<Row> = { [Name in keyof Row]: Row[Name] extends Date ? string : Row[Name] };

/**
 * Makes a statement of `write`, which is given the database that it is for. In a transaction, and on SQLite, it runs
 * like any other; elsewhere on Postgres it is prepared under `name`, which no other statement may have. It names its
 * columns: one that was prepared with `*` fails once a newer node has added a column. It takes no time, since others may
 * share its connection, and whoever holds a lock must not wait for it (docs/decisions/007).
 */
export function statement<Row>(
  name: string,
  write: (db: Db) => string,
  ...[columns]: ColumnsOf<Row> | []
): Statement<Row> {
  return makeStatement(name, write, { columns }) as Statement<Row>;
}

/** The same for rows that are only shown: a date costs ten times what its text does, to make and to write down again. */
export function writtenStatement<Row>(
  name: string,
  write: (db: Db) => string,
  ...[columns]: ColumnsOf<Row> | []
): Statement<Written<Row>> {
  return makeStatement(name, write, { columns, writesTimes: true }) as Statement<Written<Row>>;
}

/** A statement that takes long: it shares its connection with no other, which would have to wait for it. */
export function longStatement<Row>(
  name: string,
  write: (db: Db) => string,
  ...[columns]: ColumnsOf<Row> | []
): Statement<Row> {
  return makeStatement(name, write, { columns, execute: executeAlone }) as Statement<Row>;
}

interface Making {
  columns: object | undefined;
  writesTimes?: boolean;
  execute?: typeof executeSoon;
}

function makeStatement(
  name: string,
  write: (db: Db) => string,
  { columns, writesTimes = false, execute = executeSoon }: Making,
): Statement<object> {
  let prepared: Numbered | undefined;
  return async (db, values) => {
    if (db.isTransaction || !isPostgres(db)) {
      const bindings = { ...values, now: present(db) } as Record<string, Knex.RawBinding>;
      const found = await readRows<object>(db, write(db), bindings, columns);
      return writesTimes ? found.map(writeTimes) : found;
    }
    prepared ??= { ...number(name, write(db)), writesTimes };
    const ordered = prepared.order.map((word) => values[word]);
    const told = (db as Knex).listenerCount('query') > 0 ? tell(db.client, prepared.text) : null;
    try {
      const found = await execute(db.client, prepared, ordered);
      told?.('query-response', { rows: found });
      return found;
    } catch (error) {
      noteDatabaseError(error);
      told?.('query-error', error);
      throw error;
    }
  };
}

// Where the driver has made dates after all.
function writeTimes(row: object): object {
  for (const [name, value] of Object.entries(row)) {
    if (value instanceof Date) Object.assign(row, { [name]: value.toISOString() });
  }
  return row;
}

// `::` casts; a name stands behind a single colon.
function number(name: string, sql: string): Omit<Numbered, 'writesTimes'> {
  const order: string[] = [];
  const text = sql.replaceAll(/(?<!:):([a-z_]+)/g, (_whole, word: string) => {
    if (word === 'now') return presentOnPostgres;
    if (!order.includes(word)) order.push(word);
    return `$${order.indexOf(word) + 1}`;
  });
  return { name, text, order };
}

let sent = 0;

// As Knex does it, so that traces see these statements like all others.
function tell(client: EventEmitter, sql: string): (event: string, what: unknown) => void {
  sent += 1;
  const query = { sql, __knexQueryUid: `prepared-${sent}` };
  client.emit('query', query);
  return (event, what) => void client.emit(event, what, query);
}
