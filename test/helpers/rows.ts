// Rows that must exist, and the version of the client cache.
import type { Knex } from 'knex';

/** The row that a query finds; throws when there is none. */
export async function rowOf<Row>(query: PromiseLike<Row | undefined>): Promise<Row> {
  const row = await query;
  if (row === undefined) throw new Error('no such row');
  return row;
}

/** The rows that a query finds, of which there is at least one. */
export async function rowsOf<Row>(query: PromiseLike<Row[]>): Promise<[Row, ...Row[]]> {
  const [first, ...others] = await query;
  if (first === undefined) throw new Error('no such row');
  return [first, ...others];
}

/** The version of the client cache that statements compare. */
export async function currentVersion(db: Knex): Promise<number> {
  const { version } = await rowOf(db('registry').first());
  return version;
}
