// PgBouncer between the server and Postgres: a mode that works is used, one that would lose locks or statements is refused at
// the start.
import test, { type ExecutionContext } from 'ava';
import { loadConfig } from '../../config/index.ts';
import { openDatabase } from '../../src/core/store/db.ts';
import { detectPoolerMode } from '../../src/core/store/pooler.ts';
import { startServer } from '../../src/process/run_server.ts';
import { runCommand } from '../helpers/commands.ts';
import { readJwt, refresh, signIn } from '../helpers/oauth.ts';
import {
  losesStatements,
  startPgBouncer,
  testWithNewPgBouncer,
  testWithPgBouncer,
} from '../helpers/pgbouncer.ts';
import { environment, type Settings, startTestServer } from '../helpers/server.ts';
import { makeEmptyStore, makeStore, type OwnStore } from '../helpers/stores.ts';
import { giveTime, until } from '../helpers/until.ts';

async function postgres(t: ExecutionContext, make = makeStore): Promise<OwnStore> {
  giveTime(t);
  const store = await make('postgres');
  t.teardown(store.drop);
  return store;
}

test('a connection without a pooler keeps its session', async (t) => {
  const store = await postgres(t);
  t.is(await detectPoolerMode(store.url), 'session');
});

testWithPgBouncer('PgBouncer in session mode works like a direct connection', async (t) => {
  const store = await postgres(t, makeEmptyStore);
  const url = await startPgBouncer(t, store.url, { pool_mode: 'session' });
  t.is(await detectPoolerMode(url), 'session');
  const server = await startTestServer(t, { ...store, url });
  const { client, tokens } = await signIn(server);
  t.is((await refresh(server, client, tokens.refresh_token)).status, 200);
});

testWithPgBouncer(
  'PgBouncer in transaction mode without prepared statements is refused in one sentence',
  async (t) => {
    const store = await postgres(t, makeEmptyStore);
    const url = await startPgBouncer(t, store.url, { pool_mode: 'transaction', ...losesStatements });
    for (let i = 0; i < 3; i += 1) t.is(await detectPoolerMode(url), 'unprepared');
    const said = /DATABASE_URL: leads through a pooler in transaction mode .* max_prepared_statements = 100/;
    for (const direct of [{}, { DATABASE_DIRECT_URL: store.url }] as Settings[]) {
      const config = loadConfig(environment(url, direct));
      await t.throwsAsync(startServer(config), { name: 'Error', message: said });
    }
    const command = await runCommand(['migrate'], { env: environment(url) });
    t.is(command.code, 1);
    t.regex(command.stderr, said);
    const doctor = await runCommand(['doctor'], { env: environment(url) });
    t.is(doctor.code, 1);
    t.regex(doctor.stdout, new RegExp(`WRONG {2}pooler: ${said.source}`));
    // Other tests have databases on the same Postgres.
    const { rows } = await store.db.raw(`select 1 from pg_locks where locktype = 'advisory'
      and database = (select oid from pg_database where datname = current_database())`);
    t.deepEqual(rows, [], 'no lock is left on a connection of the pooler');
    t.false(await store.db.schema.hasTable('users'));
  },
);

testWithPgBouncer(
  'times are read correctly through PgBouncer, whatever form the database writes',
  async (t) => {
    const store = await postgres(t);
    await store.db.raw(`do $$ begin
    execute format('alter database %I set datestyle to ''German''', current_database());
    execute format('alter database %I set timezone to ''Asia/Kolkata''', current_database());
  end $$`);
    for (const pool_mode of ['session', 'transaction'] as const) {
      const url = await startPgBouncer(t, store.url, { pool_mode });
      const db = openDatabase(url, { pool: 1 });
      t.teardown(() => db.destroy());
      const { rows } = await db.raw(`select timestamptz '2026-11-27T07:16:06.123Z' as at`);
      t.deepEqual(rows[0].at, new Date('2026-11-27T07:16:06.123Z'), pool_mode);
    }
  },
);

const keepsStatements = { pool_mode: 'transaction', max_prepared_statements: '100' } as const;

testWithNewPgBouncer(
  'PgBouncer in transaction mode is refused without a direct address beside it',
  async (t) => {
    const store = await postgres(t, makeEmptyStore);
    const url = await startPgBouncer(t, store.url, keepsStatements);
    for (let i = 0; i < 3; i += 1) t.is(await detectPoolerMode(url), 'transaction');
    await t.throwsAsync(startServer(loadConfig(environment(url))), {
      message: /DATABASE_DIRECT_URL: is needed/,
    });
    const again = await startPgBouncer(t, store.url, keepsStatements);
    await t.throwsAsync(startServer(loadConfig(environment(url, { DATABASE_DIRECT_URL: again }))), {
      message: /DATABASE_DIRECT_URL: leads through a pooler/,
    });
  },
);

testWithNewPgBouncer(
  'nodes behind PgBouncer in transaction mode refresh concurrently, migrate and learn of new keys',
  async (t) => {
    const store = await postgres(t, makeEmptyStore);
    const url = await startPgBouncer(t, store.url, keepsStatements);
    const direct = {
      DATABASE_DIRECT_URL: store.url,
      ISSUER: 'http://127.0.0.1:1',
      RATE_LIMITS: 'database',
    };
    const nodes = await Promise.all([1, 2].map(() => startTestServer(t, { ...store, url }, direct)));
    const [node, other] = nodes as [(typeof nodes)[0], (typeof nodes)[0]];
    const all = await Promise.all(Array.from({ length: 20 }, () => signIn(node)));
    const rounds = all.map(async ({ client, tokens }, i) => {
      let { refresh_token } = tokens;
      for (let round = 0; round < 5; round += 1) {
        const { status, body } = await refresh(round % 2 === i % 2 ? node : other, client, refresh_token);
        t.is(status, 200, JSON.stringify(body));
        refresh_token = String(body.refresh_token);
      }
    });
    await Promise.all(rounds);
    const env = environment(url, direct);
    t.is((await runCommand(['doctor'], { env })).code, 0);
    t.is((await runCommand(['sweep'], { env })).code, 0);
    const rotated = JSON.parse((await runCommand(['rotate-keys', '--force', '--json'], { env })).stdout);
    for (const one of nodes) {
      await until(async () => {
        const { access_token } = (await signIn(one)).tokens;
        return readJwt(access_token).header.kid === rotated.kid;
      }, 'both sign with the new key');
    }
  },
);
