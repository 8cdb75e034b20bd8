// What an operator reads when a server cannot start: one sentence that names the setting, and no stack trace.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { otherSecret } from '../helpers/builders.ts';
import { runCommand } from '../helpers/commands.ts';
import { environment, type Settings, startTestServer } from '../helpers/server.ts';
import { freePort, spawnServer } from '../helpers/server_process.ts';
import { makeStore, testOnStores } from '../helpers/stores.ts';
import { until } from '../helpers/until.ts';

const server = fileURLToPath(new URL('../../src/server.ts', import.meta.url));

/** Starts a server that cannot start; returns what it wrote to stderr, and its exit code. */
async function startAndFail(databaseUrl: string, settings: Settings = {}) {
  const env = { PATH: process.env.PATH, ...environment(databaseUrl, settings) };
  return await new Promise<{ code: unknown; stderr: string }>((resolve) => {
    execFile(process.execPath, [server], { env }, (error, _stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stderr }),
    );
  });
}

function assertSentence(
  t: ExecutionContext,
  outcome: { code: unknown; stderr: string },
  sentence: string,
): void {
  const { code, stderr } = outcome;
  t.deepEqual({ code, stderr }, { code: 1, stderr: `${sentence}\n` });
}

/** A port on which another process listens. */
async function takenPort(t: ExecutionContext): Promise<number> {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.teardown(() => other.close());
  return (other.address() as { port: number }).port;
}

test('an unreachable Postgres is named with its host and port, and without the password', async (t) => {
  const url = `postgres://kindred:the-password@127.0.0.1:${await freePort()}/kindred`;
  const where = url.replace(/.*@|\/kindred$/g, '');
  const sentence = `the database on ${where} cannot be reached (ECONNREFUSED); check DATABASE_URL`;
  assertSentence(t, await startAndFail(url), sentence);
  assertSentence(t, await startAndFail(url, { WORKERS: '2' }), sentence);
  const command = await runCommand(['sessions', 'ada'], { env: environment(url) });
  assertSentence(t, command, `kindred: ${sentence}`);
});

test('a Postgres that refuses the connection is quoted with its reason', async (t) => {
  const store = await makeStore('postgres');
  t.teardown(store.drop);
  const url = new URL(store.url);
  const { host } = url;
  url.pathname = '/nothing_of_this_name';
  const { code, stderr } = await startAndFail(url.href);
  t.is(code, 1);
  t.is(
    stderr,
    `the database on ${host} refuses the connection: database "nothing_of_this_name" does not exist; check DATABASE_URL\n`,
  );
});

test('a Postgres without the TLS that its URL asks for is named with the remedy', async (t) => {
  const store = await makeStore('postgres');
  t.teardown(store.drop);
  for (const mode of ['prefer', 'require']) {
    const url = new URL(store.url);
    url.searchParams.set('sslmode', mode);
    const { code, stderr } = await startAndFail(url.href, { NODE_NO_WARNINGS: '1' });
    const remedy = 'say ?sslmode=disable in DATABASE_URL, or switch TLS on';
    t.is(code, 1, mode);
    t.true(
      stderr.endsWith(
        `the database on ${url.host} has no TLS, and nothing falls back to a connection without it; ${remedy}\n`,
      ),
      stderr,
    );
  }
});

test('a file that is not a database is named', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kindred-start-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const file = join(folder, 'notes.txt');
  await writeFile(file, 'These are my notes, and no database at all. '.repeat(100));
  const sentence = `${file} is not a database (SQLITE_NOTADB); check DATABASE_URL`;
  assertSentence(t, await startAndFail(`sqlite:${file}`), sentence);
});

testOnStores('a port in use is named with its setting', async (t, { url }) => {
  const port = await takenPort(t);
  const taken = (setting: string) => `${setting} ${port} is taken; set ${setting}, or stop the other process`;
  assertSentence(t, await startAndFail(url, { PORT: String(port) }), taken('PORT'));
  const strict = { NODE_ENV: 'production', ISSUER: 'https://id.example.test', RATE_LIMITS: 'memory' };
  const settings = { ...strict, TRUST_PROXY: '1', METRICS_PORT: String(port) };
  const { code, stderr } = await startAndFail(url, settings);
  t.deepEqual([code, stderr], [1, `${taken('METRICS_PORT')}\n`]);
});

test('outside production a metrics port in use is a warning with the error code', async (t) => {
  const store = await makeStore('sqlite');
  t.teardown(store.drop);
  const port = await takenPort(t);
  const { lines } = await spawnServer(t, store.url, { METRICS_PORT: String(port), LOG_LEVEL: 'warn' });
  const isWarning = (line: Record<string, unknown>) => line.level === 40 && 'port' in line;
  // Log lines are written in batches.
  await until(() => lines().some(isWarning), 'the warning is in the log');
  const [{ level, host, port: logged, code, msg } = {}] = lines().filter(isWarning);
  t.deepEqual(
    { level, host, port: logged, code, msg },
    {
      level: 40,
      host: '127.0.0.1',
      port,
      code: 'EADDRINUSE',
      msg: `no metrics: METRICS_PORT ${port} is taken; set METRICS_PORT, or stop the other process`,
    },
  );
});

testOnStores(
  'a secret that cannot decrypt the keys of the database is reported as such',
  async (t, store) => {
    await startTestServer(t, store);
    const sentence =
      'no secret in KINDRED_SECRET can decrypt the signing keys of this database; put back the secret that encrypted them';
    assertSentence(t, await startAndFail(store.url, { KINDRED_SECRET: otherSecret }), sentence);
  },
);
