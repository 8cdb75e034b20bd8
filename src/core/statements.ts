// The statements of the hot path: prepared on Postgres, once a connection, and sent without a query builder. Knex needs
// some 50 to 100 µs to build, format and unwrap what a refresh asks; this needs about a tenth of that.
import type { EventEmitter } from 'node:events';
import type { Knex } from 'knex';
import type pg from 'pg';
import { type Db, isPostgres, present, presentOnPostgres, rows } from './db.ts';
import { executePrepared, type Prepared } from './prepared_query.ts';

type Values = Record<string, Knex.RawBinding | string[]>;

/** A statement whose values are named; `:now` in it is the present and is not among them. */
export type Statement<Row> = (db: Db, values: Values) => Promise<Row[]>;

interface Numbered extends Prepared {
  /** Which value each `$n` of the text is. */
  order: string[];
}

/**
 * Makes a statement of `write`, which is given the database that it is for. In a transaction, and on SQLite, it runs
 * like any other; elsewhere on Postgres it is prepared under `name`, which no other statement may have. It names its
 * columns: one that was prepared with `*` fails once a newer node has added a column.
 */
export function statement<Row>(name: string, write: (db: Db) => string): Statement<Row> {
  let prepared: Numbered | undefined;
  return async (db, values) => {
    if (db.isTransaction || !isPostgres(db)) {
      return await rows<Row>(db, write(db), { ...values, now: present(db) } as Record<
        string,
        Knex.RawBinding
      >);
    }
    prepared ??= prepare(name, write(db));
    return (await run(db, prepared, values)) as Row[];
  };
}

// `::` casts; a name stands behind a single colon.
function prepare(name: string, sql: string): Numbered {
  const order: string[] = [];
  const text = sql.replaceAll(/(?<!:):([a-z_]+)/g, (_whole, word: string) => {
    if (word === 'now') return presentOnPostgres;
    if (!order.includes(word)) order.push(word);
    return `$${order.indexOf(word) + 1}`;
  });
  return { name, text, order };
}

let sent = 0;

// Knex's pool and Knex's events, so that limits, recovery and traces see these statements like all others.
async function run(db: Db, prepared: Numbered, values: Values): Promise<unknown[]> {
  const { client } = db;
  const connection: pg.ClientBase = await client.acquireConnection();
  const told = (db as Knex).listenerCount('query') > 0 ? tell(client, prepared.text) : null;
  try {
    const { order } = prepared;
    const found = await executePrepared(
      connection,
      prepared,
      order.map((word) => values[word]),
    );
    told?.('query-response', { rows: found });
    return found;
  } catch (error) {
    told?.('query-error', error);
    throw error;
  } finally {
    client.releaseConnection(connection);
  }
}

function tell(client: EventEmitter, sql: string): (event: string, what: unknown) => void {
  sent += 1;
  const query = { sql, __knexQueryUid: `prepared-${sent}` };
  client.emit('query', query);
  return (event, what) => void client.emit(event, what, query);
}
