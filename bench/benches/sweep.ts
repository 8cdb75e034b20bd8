// `npm run bench -- sweep [rows] [sqlite]`: how the sweep of a million dead sessions slows down refreshes. The server sweeps in
// its own process, as its job does; the same chains refresh before, during and after the sweep.
import { join } from 'node:path';
import { openDatabase } from '../../src/core/store/db.ts';
import { findUserByLogin } from '../../src/core/users/users.ts';
import { makeScratch } from '../../test/helpers/scratch.ts';
import type { Round } from '../generator/drive.ts';
import type { Found } from '../harness/report.ts';
import { summarize } from '../harness/rounds.ts';
import { askChild, type Child, type Stage } from '../harness/stage.ts';
import { createClientsAndUsers, kindredEnvironment } from '../peers/kindred.ts';
import { refreshLoad } from '../peers/logins.ts';
import { client_id } from '../peers/parties.ts';

type Database = ReturnType<typeof openDatabase>;

/** Live sessions, which the sweep skips. */
const bystanders = 50_000;

/** Fills a database, then refreshes without and with the sweep. */
export async function benchSweep(stage: Stage, [rows = '1000000', store]: string[]): Promise<Found> {
  const scratch = store === 'sqlite' ? await makeScratch() : null;
  const url = scratch ? `sqlite:${join(scratch.path, 'bench.sqlite')}` : await stage.createDatabase('sweep');
  const server = await stage.serve('peers/sweep_server.ts', { ...kindredEnvironment(url), JOBS: 'false' });
  const db = openDatabase(url, { pool: 1 });
  try {
    await createClientsAndUsers(url);
    const load = await refreshLoad({ url: server.url, tokens: 'kindred' });
    await stage.generator.open('sweep', load, server.pid);
    const user = await findUserByLogin(db, 'user-0');
    await fill(db, user?.id ?? '', { dead: Number(rows), live: bystanders });
    return await measure(stage, server);
  } finally {
    await db.destroy();
    await stage.clear();
    await scratch?.remove();
  }
}

async function measure(stage: Stage, server: Child): Promise<Found> {
  await driveUntil(stage, (done) => done === 1);
  const before = await driveUntil(stage, (done) => done === stage.options.rounds);
  const swept = askChild<{ counts: { sessions: number }; ms: number }>(server, 'sweep');
  let isOver = false;
  void swept.then(() => {
    isOver = true;
  });
  const during = await driveUntil(stage, () => isOver);
  const { counts, ms } = await swept;
  const after = await driveUntil(stage, (done) => done === stage.options.rounds);
  // The last round ran beside the sweep only in part.
  const whole = during.length > 1 ? during.slice(0, -1) : during;
  const named = { without: before, 'with the sweep': whole, afterwards: after };
  return {
    figures: [],
    series: Object.entries(named).map(([name, all]) => ({ name, rounds: all, median: summarize(all) })),
    facts: { 'sessions swept': counts.sessions, 'seconds of sweeping': ms / 1000 },
  };
}

async function driveUntil(stage: Stage, isOver: (rounds: number) => boolean): Promise<Round[]> {
  const rounds: Round[] = [];
  while (!isOver(rounds.length)) {
    rounds.push(await stage.generator.drive('sweep', { seconds: stage.options.seconds }));
  }
  return rounds;
}

// Sessions as the server makes them, opened between two months and ten days ago, dead and live ones mixed.
async function fill(db: Database, id: string, { dead, live }: { dead: number; live: number }): Promise<void> {
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
