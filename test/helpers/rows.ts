// Rows that must exist.

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
