// The script of compose.yaml that makes the database: the role that Kindred has there can do its work and little else.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openDatabase } from '../../../src/core/store/db.ts';
import { runCommand } from '../../helpers/commands.ts';
import { refresh, signIn } from '../../helpers/oauth.ts';
import { findProgram, testRequiring } from '../../helpers/required_programs.ts';
import { environment, startTestServer } from '../../helpers/server.ts';
import { makeEmptyStore } from '../../helpers/stores.ts';
import { giveTime } from '../../helpers/until.ts';

const script = fileURLToPath(new URL('../../../deploy/postgres.sh', import.meta.url));
const run = promisify(execFile);
const testWithPsql = testRequiring(findProgram('psql'), 'there is no psql');

testWithPsql('the role that compose.yaml gives to Kindred is no superuser and enough', async (t) => {
  giveTime(t);
  const store = await makeEmptyStore('postgres');
  const { hostname, port, username, password, pathname } = new URL(store.url);
  const own = Object.assign(new URL(store.url), { username: 'kindred', password: "it's a password" }).href;
  const db = openDatabase(own, { pool: 2 });
  t.teardown(async () => {
    await db.destroy();
    await store.db.raw('drop owned by kindred cascade');
    await store.db.raw('drop role kindred');
    await store.drop();
  });
  await run('sh', [script], {
    env: {
      PATH: process.env.PATH,
      ...{ PGHOST: hostname, PGPORT: port, PGPASSWORD: password },
      POSTGRES_USER: username,
      POSTGRES_DB: pathname.slice(1),
      KINDRED_DATABASE_PASSWORD: "it's a password",
    },
  });
  const server = await startTestServer(t, { ...store, url: own, db });
  const { client, tokens } = await signIn(server);
  t.is((await refresh(server, client, tokens.refresh_token)).status, 200);
  for (const command of ['doctor', 'sweep', 'rotate-keys --force', 'stats']) {
    const done = await runCommand(command.split(' '), { env: environment(own) });
    t.is(done.code, 0, `${command}: ${done.stdout}${done.stderr}`);
  }
  const { rows } = await db.raw(
    'select rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls from pg_roles where rolname = current_user',
  );
  t.deepEqual(Object.values(rows[0]), [false, false, false, false, false]);
  for (const sql of [
    'create role another superuser',
    'create database another',
    'select * from pg_authid',
    "copy users to program 'true'",
    "set session_replication_role = 'replica'",
    "select pg_read_file('PG_VERSION')",
  ]) {
    await t.throwsAsync(db.raw(sql), { message: /permission denied|must be|only roles/i }, sql);
  }
  // In a transaction, so that the role is gone with it.
  const asking = store.db.transaction(async (tx) => {
    await tx.raw('create role stranger');
    await tx.raw('set local role stranger');
    await tx.raw('select * from public.users');
  });
  await t.throwsAsync(asking, { message: /permission denied for schema public/ });
});
