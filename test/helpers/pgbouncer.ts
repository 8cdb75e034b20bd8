// A real PgBouncer in front of a database, where the machine has one: on a free port of the loopback, stopped with its test.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { findProgram, testRequiring } from './required_programs.ts';
import { freePort } from './server_process.ts';
import { until } from './until.ts';

const pgbouncer = findProgram('pgbouncer');

/** A test that needs PgBouncer. */
export const testWithPgBouncer = testRequiring(pgbouncer, 'there is no pgbouncer');

// From 1.21 on it supports prepared statements in transaction mode.
const [, major = '0', minor = '0'] =
  /(\d+)\.(\d+)/.exec(pgbouncer ? execFileSync(pgbouncer, ['--version'], { encoding: 'utf8' }) : '') ?? [];
const keepsStatements = Number(major) > 1 || Number(minor) >= 21;

/** A test that needs PgBouncer 1.21 or newer. */
export const testWithNewPgBouncer = testRequiring(keepsStatements, 'there is no pgbouncer of 1.21 or newer');

/** Settings with which any version loses prepared statements in transaction mode. */
export const losesStatements: Record<string, string> = keepsStatements
  ? { max_prepared_statements: '0' }
  : {};

// `cat` ends when this process closes the pipe, however it ends.
const guard = '"$@" > /dev/null 2>&1 & cat > /dev/null; kill $!; wait $!';

/** Starts a PgBouncer in front of the database at `url`; returns the URL of the database through it. */
export async function startPgBouncer(
  t: ExecutionContext,
  url: string,
  settings: { pool_mode: 'session' | 'transaction'; [name: string]: string },
): Promise<string> {
  if (!pgbouncer) throw new Error('there is no pgbouncer');
  const { hostname, port: behind, username, password, pathname } = new URL(url);
  const directory = await mkdtemp(join(tmpdir(), 'kindred-pgbouncer-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  // Under root it runs as another user, which must be able to read this.
  await chmod(directory, 0o755);
  const port = await freePort();
  const users = join(directory, 'users');
  await writeFile(users, `"${username}" "${password}"\n`);
  const all = {
    listen_addr: '127.0.0.1',
    listen_port: String(port),
    unix_socket_dir: '',
    auth_type: 'plain',
    auth_file: users,
    default_pool_size: '50',
    ...settings,
  };
  const file = join(directory, 'pgbouncer.ini');
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`);
  const database = `* = host=${hostname} port=${behind}`;
  await writeFile(file, `[databases]\n${database}\n[pgbouncer]\n${lines.join('\n')}\n`);
  const asUser = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const keeper = spawn('sh', ['-c', guard, 'sh', pgbouncer, ...asUser, file], {
    cwd: tmpdir(),
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  t.teardown(async () => {
    if (keeper.exitCode !== null) return;
    keeper.stdin.end();
    await once(keeper, 'exit');
  });
  await until(() => keeper.exitCode !== null || isListening(port), 'PgBouncer listens');
  return Object.assign(new URL(url), { port: String(port), pathname }).href;
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
