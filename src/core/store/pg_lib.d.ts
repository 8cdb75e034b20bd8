// The files of pg that Kindred imports by path and that have no published types (see pg_internals.d.ts).
declare module 'pg/lib/query.js' {
  /** The class of the queries that a client accepts in pipeline mode. */
  export default class Query {
    constructor(text: string);
  }
}

declare module 'pg/lib/utils.js' {
  /** A value in the form in which it is sent. */
  export function prepareValue(value: unknown): string | Buffer | null;
}
