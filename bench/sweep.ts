// `npm run bench -- sweep [rows] [sqlite]`: what the sweep of a million dead sessions costs those who refresh meanwhile.
// The server sweeps in its own process, as its job does; the same chains refresh before, during and after.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createClient } from '../src/core/clients.ts';
import { openDatabase } from '../src/core/db.ts';
import { hashPassword } from '../src/core/passwords.ts';
import { createUser, type User } from '../src/core/users.ts';
import { startPostgres } from '../test/helpers/postgres.ts';
import { makeScratch } from '../test/helpers/scratch.ts';
import { drive, post, type Round, type Target } from './load.ts';

type Database = ReturnType<typeof openDatabase>;

const connections = 16;
/** Live sessions that the sweep walks past. */
const bystanders = 50_000;
const roundLength = 3;
const client_id = 'bench';
const password = 'correct horse battery staple';

/** Fills a database, refreshes without and with the sweep, prints both. */
export async function benchSweep(rows: number, store: 'postgres' | 'sqlite'): Promise<void> {
  const { url, stop } = store === 'sqlite' ? await makeSqlite() : await startPostgres();
  const server = await startServer(url);
  const db = openDatabase(url, { pool: 1 });
  try {
    const user = await furnish(db);
    const target = await logIn(server.url);
    await fill(db, user, { dead: rows, live: bystanders });
    console.log(
      `${rows} dead sessions among ${bystanders} live ones on ${store}, ${connections} connections refresh`,
    );
    await drive(target, 2);
    const before = await driveRounds(target, (done) => done === 5);
    const swept = server.sweep();
    let isOver = false;
    void swept.then(() => {
      isOver = true;
    });
    const during = await driveRounds(target, () => isOver);
    const { counts, ms } = await swept;
    const after = await driveRounds(target, (done) => done === 5);
    console.log(`swept ${counts.sessions} sessions in ${(ms / 1000).toFixed(1)} s`);
    console.table({
      without: figures(before),
      'with the sweep': figures(during),
      afterwards: figures(after),
    });
  } finally {
    await db.destroy();
    await server.stop();
    await stop();
  }
}

async function makeSqlite(): Promise<{ url: string; stop: () => Promise<void> }> {
  const { path, remove } = await makeScratch();
  return { url: `sqlite:${join(path, 'bench.sqlite')}`, stop: remove };
}

async function startServer(databaseUrl: string) {
  const env = {
    PATH: process.env.PATH,
    NODE_ENV: 'test',
    PORT: '0',
    METRICS_PORT: '0',
    JOBS: 'false',
    RATE_LIMITS: 'off',
    DATABASE_URL: databaseUrl,
    KINDRED_SECRET: 'YSBzZWNyZXQgZm9yIHRoZSBiZW5jaCwgYW5kIG5vdGhpbmcgZWxzZQ',
  };
  const script = fileURLToPath(new URL('sweep_server.ts', import.meta.url));
  const child = fork(script, { env, execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return {
    url: `http://127.0.0.1:${port}`,
    async sweep() {
      child.send('sweep');
      const [done] = (await once(child, 'message')) as [{ counts: { sessions: number }; ms: number }];
      return done;
    },
    async stop() {
      const exited = once(child, 'exit');
      child.disconnect();
      await exited;
    },
  };
}

async function furnish(db: Database): Promise<User> {
  await createClient(db, { client_id, first_party: true, token_endpoint_auth_method: 'none' });
  return await createUser(db, { username: 'ada', password_hash: await hashPassword(password) });
}

async function logIn(url: string): Promise<Target> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const chains: string[] = [];
  for (let i = 0; i < connections; i += 1) {
    const answer = await post(
      { url, agent },
      { grant_type: 'password', client_id, username: 'ada', password },
    );
    chains.push(String(answer.refresh_token));
  }
  return {
    url,
    agent,
    chains,
    form: (refresh_token) => ({ grant_type: 'refresh_token', client_id, refresh_token }),
    check: (_presented, answer) => String(answer.refresh_token),
  };
}

// As the server would have made them between two months ago and ten days ago, the dead and the live mixed.
async function fill(
  db: Database,
  { id }: User,
  { dead, live }: { dead: number; live: number },
): Promise<void> {
  const isPostgres = db.client.config.client === 'pg';
  const day = 86_400_000;
  const total = dead + live;
  const values = {
    total,
    start: Date.now() - 60 * day,
    step: (50 * day) / total,
    share: live / total,
    user: id,
    client: client_id,
    token: JSON.stringify({
      gty: 'password',
      scope: 'openid account',
      resource: 'https://api.example.test/',
      authTime: 1_700_000_000,
      amr: ['pwd'],
    }),
    grant: JSON.stringify({
      openid: { scope: 'openid account' },
      resources: { 'https://api.example.test/': 'account' },
    }),
    until: Date.now() + 30 * day,
  };
  await db.raw(isPostgres ? fillPostgres : fillSqlite, values);
  if (isPostgres) await db.raw('vacuum analyze sessions');
}

const columns =
  'id, user_id, client_id, grant_payload, token_payload, salt, generation, ip, user_agent, idle_ttl, created_at, last_used_at, absolute_expires_at';

const fillPostgres = `
  insert into sessions (${columns})
  select (lpad(to_hex(at), 12, '0') || '7' || substr(md5(n::text), 1, 3) || 'a' || substr(md5(n::text), 4, 15))::uuid,
    :user, :client, cast(:grant as jsonb), cast(:token as jsonb), decode(md5(n::text), 'hex'), 7, '192.0.2.7', 'Mozilla/5.0 (bench)', 604800,
    to_timestamp(at / 1000.0),
    case when live then now() else to_timestamp(at / 1000.0) end,
    case when live then to_timestamp(cast(:until as float8) / 1000) else to_timestamp(at / 1000.0) + interval '1 day' end
  from (
    select n, (cast(:start as float8) + n * cast(:step as float8))::bigint as at, n * 7919 % 1000 < cast(:share as float8) * 1000 as live
    from generate_series(0, cast(:total as bigint) - 1) n
  ) rows`;

const fillSqlite = `
  insert into sessions (${columns})
  with recursive ns(n) as (select 0 union all select n + 1 from ns where n < :total - 1),
  rows as (select n, cast(:start + n * :step as integer) as at, n * 7919 % 1000 < :share * 1000 as live from ns)
  select printf('%08x-%04x-7', at >> 16, at & 65535) || substr(lower(hex(randomblob(2))), 1, 3) || '-a' || substr(lower(hex(randomblob(2))), 1, 3) || '-' || lower(hex(randomblob(6))),
    :user, :client, :grant, :token, randomblob(16), 7, '192.0.2.7', 'Mozilla/5.0 (bench)', 604800,
    at, case when live then :until - 2592000000 else at end, case when live then :until else at + 86400000 end
  from rows`;

async function driveRounds(target: Target, isOver: (rounds: number) => boolean): Promise<Round[]> {
  const rounds: Round[] = [];
  while (!isOver(rounds.length)) rounds.push(await drive(target, roundLength));
  // The last one was only partly beside the sweep.
  return rounds.length > 1 && rounds.length !== 5 ? rounds.slice(0, -1) : rounds;
}

function figures(rounds: Round[]): Record<string, string> {
  const median = (figure: 'per_second' | 'p50' | 'p99') => {
    const sorted = rounds.map((round) => round[figure]).toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  };
  const worst = Math.max(...rounds.map((round) => round.p99));
  return {
    'per second': median('per_second').toFixed(0),
    'p50 ms': median('p50').toFixed(2),
    'p99 ms': median('p99').toFixed(2),
    'worst p99 ms': worst.toFixed(2),
  };
}
