// Types of columns. Postgres types every value itself. SQLite returns times and booleans as numbers and JSON as text, so each
// table and each statement declares, next to its SQL, which of its columns hold one of these.
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

/** The columns of a row that SQLite has no type for; the compiler demands each of them. */
export type Columns<Row> = {
  [Name in NameOf<Row> as [KindOf<ValueOf<Row, Name>>] extends [never] ? never : Name]: KindOf<
    ValueOf<Row, Name>
  >;
};

// A row may be a union (found or not); each of its members counts.
type NameOf<Row> = Row extends unknown ? keyof Row : never;
type ValueOf<Row, Name extends PropertyKey> = Row extends { [name in Name]: infer Value } ? Value : never;

/** The last parameter of a function that reads rows: their columns, or nothing where SQLite has a type for every value. */
export type ColumnsOf<Row> = keyof Columns<Row> extends never ? [] : [columns: Columns<Row>];

declare const isJson: unique symbol;

/** A value as JSON text, the one form in which a JSON column may be written. */
export type Json = string & { readonly [isJson]: true };

/**
 * A value as a JSON column stores it: SQLite would store an array as `[object Object]`. Postgres refuses NUL and half a
 * surrogate pair, and a request may contain both: they become U+FFFD.
 */
export function json(value: unknown): Json {
  const text = JSON.stringify(value);
  // Few texts contain an escape at all.
  if (!text.includes('\\u')) return text as Json;
  return text.replace(/(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f]..)/g, '$1\\ufffd') as Json;
}

/** False for a text that no column can hold, so that no row can match it: Postgres refuses NUL with an error. */
export function isText(value: string): boolean {
  return !value.includes('\0');
}

/** The values that may be written to the columns of a row: values of their types, SQL, and JSON as text. */
export type Writable<Row> = {
  [Name in keyof Row]?: Knex.Raw | ('json' extends KindOf<Row[Name]> ? Json | null : Row[Name]);
};

/** A table for `knex/types/tables`: the rows that are read, inserted and updated. */
export type Table<Row> = Knex.CompositeTableType<Row, Writable<Row>, Writable<Row>>;

type RowOf<Name extends keyof Tables> = Tables[Name] extends { base: infer Row } ? Row : never;

const declared = new Map<string, object>();

/** Declares the columns of a table, for the queries that are built with `db('<name>')`. */
export function declareColumns<Name extends keyof Tables>(name: Name, columns: Columns<RowOf<Name>>): void {
  declared.set(name, columns);
}

/** The declared columns of the table that a query builder names: `sessions`, or `sessions as s`. */
export function columnsOfTable(table: unknown): object | undefined {
  return typeof table === 'string' ? declared.get(table.split(' ')[0] ?? '') : undefined;
}

/** Gives a row of SQLite its times, booleans and JSON. Changes the row itself. */
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
