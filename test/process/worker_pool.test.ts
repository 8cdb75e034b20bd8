// Several workers behind one port, as an operator starts them: `WORKERS=2 node src/server.ts` on a real Postgres.
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { countStatistics } from '../../src/core/statistics/count_statistics.ts';
import { makeClient } from '../helpers/builders.ts';
import { send } from '../helpers/client.ts';
import {
  openSessions,
  refreshUntilTheEnd,
  sendHalfRequest,
  untilNotListening,
} from '../helpers/connections.ts';
import { refresh, signIn } from '../helpers/oauth.ts';
import { rowOf } from '../helpers/rows.ts';
import type { Settings, TestServer } from '../helpers/server.ts';
import { freePort, type ServerProcess, spawnServer } from '../helpers/server_process.ts';
import { makeStore, type Store } from '../helpers/stores.ts';
import { giveTime, until } from '../helpers/until.ts';

function testOnPostgres(title: string, body: (t: ExecutionContext, store: Store) => Promise<void>): void {
  test.serial(title, async (t) => {
    giveTime(t);
    const store = await makeStore('postgres');
    t.teardown(store.drop);
    await body(t, store);
  });
}

/** Starts two workers whose log shows which of them answered. */
async function start(t: ExecutionContext, store: Store, settings: Settings = {}) {
  const process = await spawnServer(t, store.url, { WORKERS: '2', LOG_LEVEL: 'info', ...settings });
  const { url } = process;
  const server: TestServer = { store: store.name, db: store.db, databaseUrl: store.url, url, issuer: url };
  return { process, server };
}

/** The pids of the processes that have answered requests, in the order of their first answer. */
function workersOf({ lines }: ServerProcess): number[] {
  const answers = lines().filter((line) => line.msg === 'request');
  return [...new Set(answers.map((line) => Number(line.pid)))];
}

/** Sends requests on new connections until this many workers have answered. */
async function askUntil(server: ServerProcess, workers: number): Promise<number[]> {
  return await until(async () => {
    await send(`${server.url}/jwks`);
    const all = workersOf(server);
    return all.length >= workers && all;
  }, `${workers} workers have answered`);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function haveEnded(pids: number[]): Promise<void> {
  await until(() => !pids.some(isAlive), 'the processes end');
}

testOnPostgres(
  'two workers answer on the one port that PORT=0 picked, and their primary does not',
  async (t, store) => {
    const { process: primary, server } = await start(t, store);
    const pids = await askUntil(primary, 2);
    t.false(pids.includes(Number(primary.child.pid)));
    const { issuer } = (await send(`${server.url}/.well-known/openid-configuration`)).body;
    t.is(issuer, server.url);
    t.is((await send(`${server.url}/readyz`)).status, 200);
    t.is(primary.output().split('Kindred listens').length, 2, 'one banner');
    const keys = await store.db('signing_keys').orderBy('status').orderBy('alg');
    t.deepEqual(
      keys.map(({ alg, status }) => `${alg} ${status}`),
      ['ES256 current', 'RS256 current', 'ES256 upcoming', 'RS256 upcoming'],
    );
    primary.child.kill('SIGTERM');
    t.is(await primary.exited, 0);
    await haveEnded(pids);
  },
);

testOnPostgres('in development the demo is seeded once, and one banner is printed', async (t, store) => {
  const { process: primary } = await start(t, store, { NODE_ENV: 'development', RATE_LIMITS: 'memory' });
  await askUntil(primary, 2);
  t.deepEqual(await store.db('users').select('username'), [{ username: 'demo' }]);
  t.is(primary.output().split('1. log in:').length, 2);
  t.deepEqual(
    primary.lines().flatMap((line) => (line.level === 40 ? [[line.pid, line.msg]] : [])),
    [[primary.child.pid, 'RATE_LIMITS=memory: every worker counts by itself']],
  );
});

testOnPostgres('of fifty uses of one refresh token across the workers, one wins', async (t, store) => {
  const { process: primary, server } = await start(t, store);
  await askUntil(primary, 2);
  const client = await makeClient(store.db, { refresh_token_retry_window: 60 });
  const lenient = await signIn(server, { client });
  const uses = (token: string, by: typeof lenient) =>
    Promise.all(Array.from({ length: 50 }, () => refresh(server, by.client, token)));
  const alike = await uses(lenient.tokens.refresh_token, lenient);
  t.deepEqual([...new Set(alike.map((answer) => answer.status))], [200]);
  t.is(new Set(alike.map((answer) => answer.body.refresh_token)).size, 1, 'one and the same successor');

  const strict = await signIn(server);
  const answers = await uses(strict.tokens.refresh_token, strict);
  t.is(answers.filter((answer) => answer.status === 200).length, 1);
  t.deepEqual([...new Set(answers.map((answer) => answer.body.error))].toSorted(), [
    'invalid_grant',
    undefined,
  ]);
  const session = await rowOf(store.db('sessions').where({ id: strict.tokens.session_id }).first());
  t.deepEqual([session.generation, session.ended_reason], [1, 'reuse_detected']);
  const answered = primary.lines().filter((line) => line.path === '/token');
  t.is(new Set(answered.map((line) => line.pid)).size, 2, 'both workers answered');
});

testOnPostgres('a killed worker is replaced, and no rotation that it answered is lost', async (t, store) => {
  const { process: primary, server } = await start(t, store);
  const [victim = 0, other = 0] = await askUntil(primary, 2);
  const client = await makeClient(store.db, { rotation_profile: 'mobile' });
  const sessions = await Promise.all([1, 2, 3, 4].map(() => signIn(server, { client })));
  let isOver = false;
  let answers = 0;
  const statuses = new Set<number>();
  // Like an app: without an answer, send the same token again; with one, use the new token.
  const live = async ({ tokens }: (typeof sessions)[number]) => {
    let { refresh_token } = tokens;
    let answered = 0;
    while (!isOver) {
      const answer = await refresh(server, client, refresh_token).catch(() => null);
      if (!answer) continue;
      statuses.add(answer.status);
      answered += 1;
      answers += 1;
      refresh_token = String(answer.body.refresh_token);
    }
    const row = await rowOf(store.db('sessions').where({ id: tokens.session_id }).first());
    return { ended: row.ended_at, isDurable: row.generation >= answered };
  };
  const reach = (count: number) => until(() => answers >= count, `${count} answers`);
  const watch = async () => {
    await reach(20);
    process.kill(victim, 'SIGKILL');
    await until(() => workersOf(primary).length > 2, 'another takes its place');
    await reach(answers + 20);
  };
  const end = () => {
    isOver = true;
  };
  const [lives] = await Promise.all([Promise.all(sessions.map(live)), watch().finally(end)]);
  t.deepEqual(lives, Array(4).fill({ ended: null, isDurable: true }));
  t.deepEqual([...statuses], [200]);
  t.false(isAlive(victim));
  const deaths = primary.lines().filter((line) => line.msg === 'a worker ended; another takes its place');
  t.like(deaths, [{ worker_pid: victim, exit_code: null, signal: 'SIGKILL' }]);
  t.true(isAlive(other));
});

const settings = {
  NODE_ENV: 'production',
  ALLOW_LOOPBACK_ISSUER: 'true',
  RATE_LIMITS: 'database',
  RATE_LIMIT_REFRESH: '100000/60',
  RATE_LIMIT_PASSWORD: '1000/60',
};

const ways: [string, (primary: ServerProcess) => void][] = [
  ['SIGTERM to the primary', ({ child }) => child.kill('SIGTERM')],
  [
    // As a terminal does with Ctrl-C; here the primary gets the signal last.
    'SIGINT to all of them',
    (primary) => {
      for (const pid of [...workersOf(primary), Number(primary.child.pid)]) process.kill(pid, 'SIGINT');
    },
  ],
];

for (const [way, stop] of ways) {
  testOnPostgres(`stopped under load by ${way}, the workers answer what they accepted`, async (t, store) => {
    const { process: primary } = await start(t, store, settings);
    const { client_id, tokens } = await openSessions(store, primary.url, 12);
    const connections = tokens.map((token) => refreshUntilTheEnd(primary.url, client_id, token));
    const tallies = connections.map(({ tally }) => tally);
    await until(() => workersOf(primary).length === 2, 'both workers answer');
    await until(
      () => tallies.every(({ answered }) => answered > 2),
      'every connection has been used several times',
    );
    stop(primary);
    await Promise.all(connections.map(({ over }) => over));
    t.is(await primary.exited, 0);
    t.deepEqual(
      tallies.flatMap((tally) => tally.lost),
      [],
    );
    t.deepEqual([...new Set(tallies.flatMap((tally) => [...tally.statuses]))], [200]);
    t.deepEqual([...new Set(tallies.map((tally) => tally.lastHeader))], ['close']);
    const answered = tallies.reduce((sum, tally) => sum + tally.answered, 0);
    const hours = await store.db('hourly_rotations');
    const counted = hours.reduce((sum, { rotations }) => sum + Number(rotations), 0);
    t.is(counted, answered, 'the last rotations of every worker are written');
  });
}

testOnPostgres('a second signal exits all processes at once', async (t, store) => {
  const { process: primary, server } = await start(t, store);
  const pids = await askUntil(primary, 2);
  const slow = await sendHalfRequest(t, server.url, '/token');
  primary.child.kill('SIGTERM');
  await untilNotListening(t, server.url);
  primary.child.kill('SIGINT');
  t.is(await primary.exited, 1);
  await slow.closed;
  t.is(slow.heard(), '');
  await haveEnded(pids);
});

testOnPostgres('workers whose primary is killed answer what they accepted and exit', async (t, store) => {
  const { process: primary, server } = await start(t, store);
  const pids = await askUntil(primary, 2);
  const slow = await sendHalfRequest(t, server.url, '/token');
  primary.child.kill('SIGKILL');
  await primary.exited;
  await untilNotListening(t, server.url);
  slow.finish();
  await slow.closed;
  t.regex(slow.heard(), /^HTTP\/1.1 400 [\s\S]*\r\nConnection: close\r\n/);
  await haveEnded(pids);
  await t.throwsAsync(send(`${server.url}/jwks`), { code: 'ECONNREFUSED' });
});

/** The samples of one metric: the labels, and the value. */
function samples(text: string, name: string): Record<string, number> {
  const found = text.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, 'gm'));
  return Object.fromEntries([...found].map(([, labels = '', value]) => [labels, Number(value)]));
}

testOnPostgres(
  'the metrics sum up all workers, and count each request and each session once',
  async (t, store) => {
    const port = await freePort();
    const { process: primary, server } = await start(t, store, { METRICS_PORT: String(port) });
    const read = async () => (await send(`http://127.0.0.1:${port}/metrics`)).text;
    const requests = async () => {
      const counts = samples(await read(), 'kindred_http_request_duration_seconds_count');
      return [
        counts['method="GET",route="/jwks",status="200"'],
        counts['method="POST",route="/token",status="200"'],
      ];
    };
    const strict = await signIn(server);
    await refresh(server, strict.client, strict.tokens.refresh_token);
    for (let i = 0; i < 30; i += 1) await send(`${server.url}/jwks`);
    t.is(workersOf(primary).length, 2);
    // A request counts once its answer is sent, and the primary does not wait for a worker that reports late.
    const are = (counts: number[]) =>
      until(async () => String(await requests()) === String(counts), `the counts are ${counts}`);
    await are([30, 2]);
    await countStatistics(store.db, { url: store.url });
    const text = await read();
    t.deepEqual(samples(text, 'kindred_sessions_live'), { '': 1 });
    t.is(samples(text, 'kindred_refresh_tokens_total')['outcome="rotated"'], 1);
    t.is(Object.keys(samples(text, 'kindred_signing_key_age_seconds')).length, 1);
    const processes = ['process="primary"', 'process="worker 1"', 'process="worker 2"'];
    for (const name of ['process_resident_memory_bytes', 'nodejs_eventloop_lag_p99_seconds']) {
      t.deepEqual(Object.keys(samples(text, name)).toSorted(), processes, name);
    }
    const [victim = 0] = workersOf(primary);
    process.kill(victim, 'SIGKILL');
    await haveEnded([victim]);
    t.deepEqual(await requests(), [30, 2], 'the counts of the killed worker are kept');
    await askUntil(primary, 3);
    await until(async () => Number((await requests())[0]) > 30, 'the new worker is counted too');
  },
);

testOnPostgres('jobs run in the primary only', async (t, store) => {
  // The preloaded module makes every job run each second, in any process that runs jobs.
  const hurry = fileURLToPath(new URL('children/hurry_jobs.ts', import.meta.url));
  const { process: primary } = await start(t, store, { JOBS: 'true', NODE_OPTIONS: `--import ${hurry}` });
  await askUntil(primary, 2);
  const runs = () => primary.lines().filter((line) => line.msg === 'job done' && line.job === 'sweep');
  await until(() => runs().length > 2, 'the job has run three times');
  t.deepEqual([...new Set(runs().map((line) => line.pid))], [primary.child.pid]);
});

testOnPostgres(
  'a port in use, even by other workers, ends the start with 1 and one message',
  async (t, store) => {
    const holder = createServer().listen(0, '127.0.0.1');
    t.teardown(() => holder.close());
    await once(holder, 'listening');
    const { port: taken } = holder.address() as AddressInfo;
    const { process: primary } = await start(t, store);
    for (const port of [taken, Number(new URL(primary.url).port)]) {
      const error = await t.throwsAsync(start(t, store, { PORT: String(port) }));
      t.regex(String(error?.message), /^the server ended with 1: /);
      t.is(error?.message.split('is taken; set PORT').length, 2, error?.message);
    }
  },
);

testOnPostgres('a database that does not answer ends the start with 1', async (t, store) => {
  const away = { ...store, url: `postgres://kindred@127.0.0.1:${await freePort()}/kindred` };
  await t.throwsAsync(start(t, away), { message: /^the server ended with 1: [\s\S]*ECONNREFUSED/ });
});

testOnPostgres('workers that exit as soon as they start end the server with 1', async (t, store) => {
  const { process: primary } = await start(t, store);
  const pids = await askUntil(primary, 2);
  // Running workers go on without this table; new ones cannot start.
  await store.db.schema.renameTable('signing_keys', 'away');
  process.kill(pids[0] ?? 0, 'SIGKILL');
  t.is(await primary.exited, 1);
  t.regex(primary.output(), /^workers exit as soon as they start: .*signing_keys/m);
  await haveEnded(pids);
});

test.serial('workers on SQLite are refused', async (t) => {
  const store = await makeStore('sqlite');
  t.teardown(store.drop);
  await t.throwsAsync(start(t, store), {
    message: /ended with 1: the settings are not usable:\n {2}WORKERS: more than one requires Postgres/,
  });
});
