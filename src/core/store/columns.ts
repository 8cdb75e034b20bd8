// Types of columns. Postgres types every value itself; SQLite gives a time and a boolean as numbers and JSON as text, so
// each table and each statement says, next to its SQL, which of its columns hold one of these.
import type { Knex } from 'knex';
import type { Tables } from 'knex/types/tables.js';

type Kind = 'time' | 'boolean' | 'json';

type KindOf<Value> = [NonNullable<Value>] extends [Date]
  ? 'time'
  : [NonNullable<Value>] extends [boolean]
    ? 'boolean'
    : [NonNullable<Value>] extends [string | number | Buffer]
      ? never
      : 'json';

/** The columns of a row that SQLite has no type for; the compiler asks for each of them. */
export type Columns<Row> = {
  [Name in keyof Row as [KindOf<Row[Name]>] extends [never] ? never : Name]: KindOf<Row[Name]>;
};

/** The last parameter of what reads rows: their columns, or nothing where SQLite gives every value as it is. */
export type ColumnsOf<Row> = keyof Columns<Row> extends never ? [] : [columns: Columns<Row>];

declare const isJson: unique symbol;

/** A value as JSON text, the one form in which a JSON column may be written. */
export type Json = string & { readonly [isJson]: true };

/**
 * What a JSON column is given on a write: SQLite would store an array as `[object Object]`. Postgres takes neither NUL
 * nor half a surrogate pair, and both may stand in what a stranger sends: they become U+FFFD.
 */
export function json(value: unknown): Json {
  const text = JSON.stringify(value);
  // Hardly any text has an escape at all.
  if (!text.includes('\\u')) return text as Json;
  return text.replace(/(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f]..)/g, '$1\\ufffd') as Json;
}

/** False for a text that no column can hold, and that no row is found by: Postgres refuses NUL with an error. */
export function isText(value: string): boolean {
  return !value.includes('\0');
}

/** What may be written to the columns of a row: values, SQL, and JSON as text. */
export type Writable<Row> = {
  [Name in keyof Row]?: Knex.Raw | ('json' extends KindOf<Row[Name]> ? Json | null : Row[Name]);
};

/** A table for `knex/types/tables`: what is read, inserted and updated. */
export type Table<Row> = Knex.CompositeTableType<Row, Writable<Row>, Writable<Row>>;

type RowOf<Name extends keyof Tables> = Tables[Name] extends { base: infer Row } ? Row : never;

const declared = new Map<string, object>();

/** Declares the columns of a table, for the queries that are built with `db('<name>')`. */
export function declareColumns<Name extends keyof Tables>(name: Name, columns: Columns<RowOf<Name>>): void {
  declared.set(name, columns);
}

/** The declared columns of what a query builder reads from: `sessions`, or `sessions as s`. */
export function columnsOfTable(table: unknown): object | undefined {
  return typeof table === 'string' ? declared.get(table.split(' ')[0] ?? '') : undefined;
}

/** A row that SQLite gave, with times, booleans and JSON as their types say. Changes the row itself. */
export function reviveRow(row: Record<string, unknown>, columns: object): void {
  for (const [name, kind] of Object.entries(columns)) {
    const value = row[name];
    if (value !== null && value !== undefined) row[name] = revive(value, kind as Kind);
  }
}

function revive(value: unknown, kind: Kind): unknown {
  if (kind === 'time') return typeof value === 'number' ? new Date(value) : value;
  if (kind === 'boolean') return value === 1;
  return typeof value === 'string' ? JSON.parse(value) : value;
}
