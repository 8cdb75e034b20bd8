import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { makeClient, password } from '../helpers/builders.ts';
import { assertRefusedCommand, cli, kindred } from '../helpers/commands.ts';
import { login } from '../helpers/oauth.ts';
import { environment, type TestServer, testOnServers } from '../helpers/server.ts';
import { type Store, testOnEmptyStores, testOnStores } from '../helpers/stores.ts';
import { countRows } from '../helpers/tables.ts';
import { until } from '../helpers/until.ts';
import { bcrypt } from '../helpers/user_imports.ts';

async function makeFile(t: ExecutionContext, lines: unknown[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kindred-import-test-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const file = join(folder, 'users.jsonl');
  await writeFile(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return file;
}

async function readReport(file: string): Promise<unknown[]> {
  const text = await readFile(`${file}.refused.jsonl`, 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

const of = (store: Store) => ({ databaseUrl: store.url });

function withSeconds(stdout: string): unknown {
  const { seconds, ...rest } = JSON.parse(stdout);
  return typeof seconds === 'number' ? rest : null;
}

testOnServers('imported users of another system can log in', async (t, server: TestServer) => {
  const file = await makeFile(t, [
    { username: `old-${server.store}`, email: `old@${server.store}.example`, password_hash: bcrypt },
  ]);
  const { code, stdout, stderr } = await kindred(server, ['import-users', file]);
  t.deepEqual([code, stderr], [0, '']);
  t.regex(stdout, /^imported 1 user in [\d.]+ s\n$/);
  const client = await makeClient(server.db);
  const user = { username: `old@${server.store}.example` };
  t.is((await login(server, user, client, { password: 'wrong' })).status, 400);
  t.is((await login(server, user, client, { password })).status, 200);
});

testOnStores(
  'refused lines are reported in a file beside the input, and by the exit code',
  async (t, store) => {
    const file = await makeFile(t, [
      { username: 'ada', email: 'ada@example.com', password_hash: bcrypt },
      { username: 'bob', password: 'hunter2' },
      { username: 'eve', email: 'ADA@example.com' },
      { username: 'carol' },
    ]);
    const first = await kindred(of(store), ['import-users', file, '--json']);
    t.deepEqual([first.code, first.stderr], [1, '']);
    const report = `${file}.refused.jsonl`;
    t.deepEqual(withSeconds(first.stdout), {
      lines: 4,
      imported: 2,
      present: 0,
      refused: 2,
      dry_run: false,
      report,
    });
    t.deepEqual(await readReport(file), [
      { line: 2, reason: 'unknown_members', detail: 'unknown member "password"' },
      { line: 3, reason: 'email_taken' },
    ]);
    const second = await kindred(of(store), ['import-users', file]);
    t.is(second.code, 1);
    t.regex(
      second.stdout,
      /^imported 0 users in [\d.]+ s; 2 users already there; 2 lines refused, see .+\.jsonl\n$/,
    );

    await writeFile(
      file,
      `${JSON.stringify({ username: 'ada', email: 'ada@example.com', password_hash: bcrypt })}\n`,
    );
    const third = await kindred(of(store), ['import-users', file, '--json']);
    t.is(third.code, 0);
    t.deepEqual(withSeconds(third.stdout), {
      lines: 1,
      imported: 0,
      present: 1,
      refused: 0,
      dry_run: false,
      report: null,
    });
    t.deepEqual(await readdir(join(file, '..')), ['users.jsonl'], 'nothing refused, no report');
  },
);

testOnStores('a dry run reports what would happen, and changes nothing', async (t, store) => {
  const lines = Array.from({ length: 700 }, (_, i) => ({ username: `user${i}` }));
  const file = await makeFile(t, [...lines, { username: 'user3', email: 'other@example.com' }]);
  const before = await countRows(store.db);
  const { code, stdout } = await kindred(of(store), ['import-users', file, '--dry-run', '--json']);
  t.is(code, 1);
  const expected = { lines: 701, imported: 700, present: 0, refused: 1, report: `${file}.refused.jsonl` };
  t.deepEqual(withSeconds(stdout), { ...expected, dry_run: true });
  t.deepEqual(await readReport(file), [{ line: 701, reason: 'username_taken' }]);
  t.deepEqual(await countRows(store.db), before);
  const real = await kindred(of(store), ['import-users', file, '--json']);
  t.deepEqual(withSeconds(real.stdout), { ...expected, dry_run: false });
});

/** Whether nothing is under way any more: what a killed process had begun is done or undone. */
async function isAtRest({ name, db }: Store): Promise<boolean> {
  if (name === 'sqlite') return true;
  const { rows } = await db.raw(
    `select 1 from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'`,
  );
  return rows.length === 0;
}

testOnStores(
  'an import that is killed in the middle continues when it is started again',
  async (t, store) => {
    const users = Array.from({ length: 40_000 }, (_, i) => ({ username: `user${i}`, password_hash: bcrypt }));
    const bad = { username: 'bad', password_hash: 'md5' };
    const file = await makeFile(t, [bad, ...users, bad]);
    const child = spawn(process.execPath, [cli, 'import-users', file], {
      env: { PATH: process.env.PATH, ...environment(store.url) },
      stdio: 'ignore',
    });
    const ended = once(child, 'exit');
    await until(
      async () => child.exitCode !== null || (await countUsers(store)) >= 2_000,
      'some are imported',
    );
    child.kill('SIGKILL');
    t.deepEqual(await ended, [null, 'SIGKILL'], 'it was still running');
    await until(() => isAtRest(store), 'the database has noticed');
    const kept = await countUsers(store);
    t.true(kept >= 2_000 && kept < users.length, `${kept}`);

    const { code, stdout } = await kindred(of(store), ['import-users', file, '--json']);
    t.is(code, 1);
    t.deepEqual(withSeconds(stdout), {
      lines: users.length + 2,
      imported: users.length - kept,
      present: kept,
      refused: 2,
      dry_run: false,
      report: `${file}.refused.jsonl`,
    });
    t.deepEqual(await readReport(file), [
      { line: 1, reason: 'unknown_hash_format' },
      { line: users.length + 2, reason: 'unknown_hash_format' },
    ]);
    t.is(await countUsers(store), users.length);
  },
);

async function countUsers({ db }: Store): Promise<number> {
  const [row] = await db('users').count({ many: '*' });
  return Number(row?.many);
}

testOnStores('a missing file is named, and nothing is left behind', async (t, store) => {
  const file = await makeFile(t, []);
  const missing = `${file}.not`;
  assertRefusedCommand(
    t,
    await kindred(of(store), ['import-users', missing]),
    /not: there is no such file$/m,
  );
  assertRefusedCommand(t, await kindred(of(store), ['import-users', join(file, '..')]), /no such file/);
  t.deepEqual(await readdir(join(file, '..')), ['users.jsonl']);
});

testOnEmptyStores('a database that is not migrated is not changed', async (t, store) => {
  const file = await makeFile(t, [{ username: 'ada' }]);
  assertRefusedCommand(t, await kindred(of(store), ['import-users', file]), /has not been migrated/);
});
