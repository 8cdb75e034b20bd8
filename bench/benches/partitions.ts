// `npm run bench -- partitions [sessions]`: the same work on one table of sessions and on one in 16 hash partitions, for
// docs/scaling.md. Refreshes hop over the table, introspections repeat tokens, lists and bans find sessions by their user, which
// has to look into every partition.
import { WrongAnswer } from '../generator/index.ts';
import type { Found } from '../harness/report.ts';
import { type Contestant, contestant, median, takeTurns } from '../harness/rounds.ts';
import { type Stage, select } from '../harness/stage.ts';
import { type RunningPeer, startPeer } from '../peers/index.ts';
import { createClientsAndUsers, startKindred } from '../peers/kindred.ts';
import { logIn } from '../peers/logins.ts';
import { administrator, api, connections, consoleClient } from '../peers/parties.ts';
import { readStorage, type Storage } from './fill.ts';
import { partitionSessions } from './partitioned_sessions.ts';
import { hopLoad } from './scale.ts';
import { sessionsLoad } from './sessions.ts';

const partitions = 16;
/** Bans of each table. */
const bans = 200;

/** `args`: the number of sessions. */
export async function benchPartitions(stage: Stage, [size = '200000']: string[]): Promise<Found> {
  const peers = {
    'one table': await startPeer(stage, 'whole', 'kindred', connections + 1),
    [`${partitions} partitions`]: await startPartitioned(stage, 'partitioned'),
    // Otherwise Postgres plans a statement anew each time, because a plan for any partition looks dearer than one for a known one.
    [`${partitions} partitions, generic plans`]: await startPartitioned(
      stage,
      'partitioned_generic',
      '?options=-c%20plan_cache_mode%3Dforce_generic_plan',
    ),
  };
  const contestants: Contestant[][] = [[], [], []];
  for (const [name, peer] of Object.entries(peers)) {
    const opened = await openLoads(stage, peer, name, Number(size));
    for (const [index, one] of opened.entries()) contestants[index]?.push(contestant(stage, one, one));
  }
  const series = await takeTurns(stage, contestants.flat());
  const facts: Record<string, unknown> = {};
  for (const [name, milliseconds] of Object.entries(await banInTurns(peers)))
    facts[`ban, ${name}, p50 ms`] = milliseconds.toFixed(2);
  for (const [name, { databaseUrl }] of Object.entries(peers)) facts[name] = await readSizes(databaseUrl);
  return { figures: [], series, facts };
}

async function startPartitioned(stage: Stage, name: string, settings = ''): Promise<RunningPeer> {
  const databaseUrl = `${await stage.createDatabase(name)}${settings}`;
  const migrating = await startKindred(stage, databaseUrl, 'partitions');
  await migrating.stop();
  await partitionSessions(databaseUrl, partitions);
  const child = await startKindred(stage, databaseUrl, 'partitions');
  await createClientsAndUsers(databaseUrl, connections + 1);
  return { ...child, name: 'kindred', databaseUrl, tokens: 'kindred' };
}

async function openLoads(stage: Stage, peer: RunningPeer, name: string, size: number): Promise<string[]> {
  const { generator } = stage;
  const names = [`refresh, ${name}`, `introspection, ${name}`, `list, ${name}`];
  const [refresh = '', introspection = '', list = ''] = names;
  await generator.open(refresh, await hopLoad(peer, size), peer.pid);
  await generator.drive(refresh, { count: 10 * connections });
  const repeated = await generator.newest(refresh);
  await generator.open(
    introspection,
    { kind: 'introspection', url: peer.url, caller: api, repeated, chains: connections },
    peer.pid,
  );
  await generator.open(list, await sessionsLoad(peer), peer.pid);
  return names;
}

// The median time of a ban of a user with five sessions, one after the other, in turns.
async function banInTurns(peers: Record<string, RunningPeer>): Promise<Record<string, number>> {
  const times: Record<string, number[]> = {};
  const opened = [];
  for (const [name, peer] of Object.entries(peers)) {
    times[name] = [];
    const users = await select<{ id: string }>(
      peer.databaseUrl,
      `select id from users where username like 'filled-%' order by id limit $1`,
      [bans],
    );
    const { access_token } = await logIn(peer, administrator, { scope: 'admin', client: consoleClient });
    opened.push({ name, url: peer.url, users, access_token });
  }
  for (let index = 0; index < bans; index += 1) {
    for (const { name, url, users, access_token } of opened) {
      const user = users[index];
      if (user) times[name]?.push(await ban(url, user.id, access_token));
    }
  }
  return Object.fromEntries(Object.entries(times).map(([name, all]) => [name, median(all)]));
}

async function ban(url: string, id: string, token: string): Promise<number> {
  const start = performance.now();
  const response = await fetch(`${url}/api/admin/users/${id}/ban`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: '{"reason":"bench"}',
  });
  const body = await response.text();
  if (response.status !== 200) throw new WrongAnswer(`a ban was answered ${response.status}: ${body}`);
  return performance.now() - start;
}

// The sizes of the parent are those of its partitions together.
async function readSizes(databaseUrl: string): Promise<Partial<Storage>> {
  const [row] = await select<{ bytes: number }>(
    databaseUrl,
    `select sum(pg_total_relation_size(relid))::float8 as bytes
     from pg_stat_user_tables where relname = 'sessions' or relname ~ '^sessions_[0-9]+$'`,
  );
  const { sessions } = await readStorage(databaseUrl);
  return { sessions, bytes: row?.bytes ?? Number.NaN };
}
