// The internals of pg and Knex that Kindred uses. They may change with any version: package.json pins pg to its minor, and
// each test here names what is gone and which file relies on it.
import { readFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import PgDialect from 'knex/lib/dialects/postgres/index.js';
import SqliteClient from 'knex/lib/dialects/sqlite3/index.js';
import pg from 'pg';
import Query from 'pg/lib/query.js';
import { prepareValue } from 'pg/lib/utils.js';
import { openDatabase } from '../../../src/core/store/db.ts';
import { PostgresClient } from '../../../src/core/store/postgres_client.ts';
import { makeStore, testOnStores } from '../../helpers/stores.ts';

const root = new URL('../../../', import.meta.url);

/** Fails with the name of each member of `owner` that is not of the expected type. */
function assertMembers(
  t: ExecutionContext,
  owner: string,
  value: object,
  types: Record<string, string>,
): void {
  const gone = Object.entries(types)
    .filter(([name, type]) => typeof Reflect.get(value, name) !== type)
    .map(([name, type]) => `${owner} has no ${name} (${type}) any more`);
  t.deepEqual(gone, []);
}

async function connect(t: ExecutionContext): Promise<PostgresClient> {
  const store = await makeStore('postgres');
  const client = new PostgresClient({ connectionString: store.url, pipeline: true });
  t.teardown(async () => {
    await client.end();
    await store.drop();
  });
  await client.connect();
  return client;
}

test('pg is pinned to its minor version', async (t) => {
  const { dependencies } = JSON.parse(await readFile(new URL('package.json', root), 'utf8'));
  const { version } = JSON.parse(await readFile(new URL('node_modules/pg/package.json', root), 'utf8'));
  t.regex(dependencies.pg, /^~\d+\.\d+\.\d+$/, 'package.json must pin pg with ~');
  t.is(dependencies.pg.slice(1).split('.', 2).join('.'), version.split('.', 2).join('.'));
});

test('a client has what postgres.ts, postgres_client.ts and pipeline.ts use', async (t) => {
  const client = await connect(t);
  assertMembers(t, 'pg.Client', client, {
    getStartupConf: 'function',
    readyForQuery: 'boolean',
    connection: 'object',
    query: 'function',
    connectionParameters: 'object',
    processID: 'number',
    secretKey: 'number',
    _getActiveQuery: 'function',
  });
  t.true(client.pipeline, 'pg.Client ignores the option pipeline');
  t.true(client.readyForQuery, 'readyForQuery is false on an idle connection');
  t.true(client.connection.stream instanceof Socket, 'the stream of a connection is no Socket any more');
  const { rows } = await client.query('show datestyle');
  t.regex(rows[0].DateStyle, /^ISO/, 'getStartupConf no longer decides the first message');
});

test('a connection has what prepared_query.ts uses', async (t) => {
  const { connection } = await connect(t);
  assertMembers(t, 'pg.Connection', connection, {
    parsedStatements: 'object',
    submittedNamedStatements: 'object',
    parse: 'function',
    bind: 'function',
    describe: 'function',
    execute: 'function',
    sync: 'function',
    startup: 'function',
    cancel: 'function',
  });
  assertMembers(t, 'the stream of a connection', connection.stream, { cork: 'function', uncork: 'function' });
});

test('pg/lib has what prepared_query.ts imports', (t) => {
  t.true(
    Object.is(Query, pg.Query),
    'pg/lib/query.js is not the class that a client accepts in pipeline mode',
  );
  t.is(typeof prepareValue, 'function', 'pg/lib/utils.js has no prepareValue any more');
  t.is(prepareValue(12), '12');
  t.is(prepareValue(null), null);
});

/** A prepared statement that notes what the client calls on it. */
class NotedQuery extends Query {
  declare readonly name: string;
  declare readonly text: string;
  readonly called: string[] = [];
  callback = () => {};
  ended: () => void = () => {};

  constructor(name: string, text: string) {
    super(text);
    this.name = name;
  }

  submit(connection: pg.Connection): null {
    connection.parse({ name: this.name, text: this.text });
    connection.submittedNamedStatements[this.name] = this.text;
    connection.bind({ statement: this.name, values: [] });
    connection.describe({ type: 'P' });
    connection.execute();
    connection.sync();
    return null;
  }

  handleRowDescription({ fields }: { fields: { name: string; dataTypeID: number }[] }): void {
    this.called.push(`handleRowDescription ${fields.map((field) => `${field.name} ${field.dataTypeID}`)}`);
  }

  handleDataRow({ fields }: { fields: (string | null)[] }): void {
    this.called.push(`handleDataRow ${fields}`);
  }

  handleCommandComplete(): void {
    this.called.push('handleCommandComplete');
  }

  handleError(): void {
    this.called.push('handleError');
    this.ended();
  }

  handleReadyForQuery(): void {
    this.called.push('handleReadyForQuery');
    this.ended();
  }
}

async function run(client: pg.Client, text: string): Promise<NotedQuery> {
  const query = new NotedQuery('test_noted', text);
  await new Promise<void>((resolve) => {
    query.ended = resolve;
    client.query(query);
  });
  return query;
}

test('a client calls the query handlers that prepared_query.ts implements, and records the statement', async (t) => {
  const client = await connect(t);
  const failed = await run(client, 'select no_such_column');
  t.deepEqual(failed.called, ['handleError']);
  t.deepEqual(client.connection.parsedStatements, {}, 'a failed statement counts as prepared');
  t.deepEqual(client.connection.submittedNamedStatements, {}, 'a failed statement stays submitted');
  const text = 'select 1 as one';
  const { called } = await run(client, text);
  t.deepEqual(called, [
    'handleRowDescription one 23',
    'handleDataRow 1',
    'handleCommandComplete',
    'handleReadyForQuery',
  ]);
  t.deepEqual(client.connection.parsedStatements, { test_noted: text }, 'parsedStatements is not kept');
  t.deepEqual(client.connection.submittedNamedStatements, {}, 'submittedNamedStatements is not kept');
});

testOnStores('Knex has what db.ts, pipeline.ts and query_watch.ts use', async (t, store) => {
  const db = openDatabase(store.url);
  t.teardown(() => db.destroy());
  assertMembers(t, 'the client of Knex', db.client, {
    acquireConnection: 'function',
    releaseConnection: 'function',
    pool: 'object',
    emit: 'function',
  });
  t.is(typeof db.client.pool.on, 'function', 'the pool of Knex emits no events any more');
  const uids: unknown[] = [];
  db.on('query', (query) => uids.push(query.__knexQueryUid));
  db.on('query-response', (_response, query) => uids.push(query.__knexQueryUid));
  await db.raw('select 1');
  t.is(typeof uids[0], 'string', 'the event query of Knex has no __knexQueryUid any more');
  t.deepEqual(uids, [uids[0], uids[0]], 'a statement has not one __knexQueryUid in all of its events');
});

test('the Postgres dialect of Knex has what postgres_dialect.ts overrides', async (t) => {
  const store = await makeStore('postgres');
  t.teardown(store.drop);
  assertMembers(t, "Knex's Postgres client", PgDialect.prototype, {
    _driver: 'function',
    _query: 'function',
    runner: 'function',
    transaction: 'function',
  });
  const { db } = store;
  t.like(db('users').delete(), { _method: 'del' }, 'a query builder has no _method any more');
  t.is(db.client.runner(db.raw('select 1')).ensureConnection.length, 2);
  const statements: string[] = [];
  db.on('query', ({ sql }) => statements.push(sql));
  await db.transaction(async () => {});
  await db.transaction(async () => {}, { readOnly: true });
  t.deepEqual(statements, ['BEGIN;', 'COMMIT;', 'BEGIN TRANSACTION READ ONLY;', 'COMMIT;']);
});

testOnStores(
  'the SQLite dialect of Knex has what sqlite.ts overrides',
  async (t, { db }) => {
    assertMembers(t, "Knex's SQLite client", SqliteClient.prototype, {
      queryCompiler: 'function',
      transaction: 'function',
    });
    t.like(
      db('users as u'),
      { _single: { table: 'users as u' } },
      'a query builder has no _single.table any more',
    );
    t.deepEqual(db('users').queryContext({ columns: {} }).queryContext(), { columns: {} });
    const statements: string[] = [];
    db.on('query', ({ sql }) => statements.push(sql));
    await db.transaction(async (tx) => await tx.raw('select 1'));
    t.deepEqual(
      statements,
      ['BEGIN IMMEDIATE;', 'select 1', 'COMMIT;'],
      'transaction.begin of Knex is not what begins a transaction any more',
    );
  },
  ['sqlite'],
);
