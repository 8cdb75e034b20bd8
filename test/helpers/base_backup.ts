// A copy of a running Postgres, and a standby that follows it.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, chown, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import type { RunningPostgres } from './postgres.ts';

const run = promisify(execFile);

/** A base backup without pg_basebackup, which our Postgres lacks: the files, copied while it runs, and the log that makes them consistent. */
export async function backUp(
  { url, directory }: Pick<RunningPostgres, 'url' | 'directory'>,
  to: string,
): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query("select pg_backup_start('a test', true)");
    await copy(directory, to);
    const { rows } = await client.query('select labelfile from pg_backup_stop(false)');
    const label = join(to, 'backup_label');
    await writeFile(label, rows[0].labelfile);
    const { uid, gid } = await stat(directory);
    await chown(label, uid, gid);
    // The log up to the end of the backup makes files that were read at different times consistent.
    await copy(join(directory, 'pg_wal'), join(to, 'pg_wal'));
    await run('rm', ['-f', join(to, 'postmaster.pid'), join(to, 'postmaster.opts')]);
  } finally {
    await client.end();
  }
}

// Keeps the owner, which Postgres requires. A file that vanishes during the copy is restored from the log.
async function copy(from: string, to: string): Promise<void> {
  await run('mkdir', ['-p', to]);
  await run('cp', ['-Rp', `${from}/.`, to]).catch((error: Error & { stderr?: string }) => {
    const lines = (error.stderr ?? '').trim().split('\n');
    if (!lines.every((line) => /No such file|vanished/.test(line))) throw error;
  });
}

export interface RunningStandby {
  /** The URL of its database `postgres`; it takes writes once it is promoted. */
  url: string;
  start: () => void;
  stop: () => Promise<void>;
  /** Makes it the primary. */
  promote: () => Promise<void>;
}

/** Makes a standby of `primary` that listens on `port` and is called `standby`; the caller starts and stops it. */
export async function makeStandby(primary: RunningPostgres, port: number): Promise<RunningStandby> {
  const directory = `${primary.directory}.standby`;
  await backUp(primary, directory);
  const { hostname, port: primaryPort, username, password } = new URL(primary.url);
  const source = `host=${hostname} port=${primaryPort} user=${username} password=${password} application_name=standby`;
  await appendFile(join(directory, 'postgresql.auto.conf'), `primary_conninfo = '${source}'\n`);
  const { uid, gid } = await stat(directory);
  await writeFile(join(directory, 'standby.signal'), '');
  await chown(join(directory, 'standby.signal'), uid, gid);
  const program = join(await readBinaries(primary.url), 'postgres');
  const settings = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'max_connections=400',
    'fsync=off',
  ];
  let server: ChildProcess | null = null;
  const url = Object.assign(new URL(primary.url), { port: String(port) }).href;
  return {
    url,
    start() {
      const flags = settings.flatMap((one) => ['-c', one]);
      server = spawn(program, ['-D', directory, '-p', String(port), ...flags], { uid, gid, stdio: 'ignore' });
    },
    async stop() {
      if (!server || server.exitCode !== null) return;
      const ended = once(server, 'exit');
      server.kill('SIGQUIT');
      await ended;
      server = null;
    },
    promote: async () => void (await ask(url, 'select pg_promote()')),
  };
}

async function readBinaries(url: string): Promise<string> {
  const [row] = await ask(url, "select setting from pg_config() where name = 'BINDIR'");
  return String(row?.setting);
}

async function ask(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}
