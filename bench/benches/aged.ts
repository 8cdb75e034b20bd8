// Reads on a database that has been in use for a year: the list of a user's sessions against the floor, searches of the trail
// and of users, statistics and metrics.
import type { Round } from '../generator/drive.ts';
import { figure } from '../harness/figures.ts';
import type { Found } from '../harness/report.ts';
import { type Contestant, compare, contestant, type Series, takeTurns } from '../harness/rounds.ts';
import { type Stage, select } from '../harness/stage.ts';
import { freePort } from '../machine/ports.ts';
import { type RunningPeer, startPeer } from '../peers/index.ts';
import { startKindred } from '../peers/kindred.ts';
import { logIn } from '../peers/logins.ts';
import { administrator, connections, consoleClient } from '../peers/parties.ts';
import { type Aged, ageDatabase } from './aged_database.ts';
import { trailSearches, userSearches } from './aged_searches.ts';
import { floorSessionsLoad, sessionsLoad } from './sessions.ts';

/** `args`: the share of the full size, for a quick run. */
export async function benchAged(stage: Stage, [share = '1']: string[]): Promise<Found> {
  const peer = await startPeer(stage, 'aged', 'kindred', connections + 1);
  const aged = await ageDatabase(peer, Number(share));
  // A server that started on the empty database has plans for it.
  await peer.stop();
  const metricsPort = await freePort();
  const child = await startKindred(stage, peer.databaseUrl, 'aged', { METRICS_PORT: String(metricsPort) });
  const kindred = { ...peer, ...child };
  const lists = await measureLists(stage, kindred, aged);
  const reads = await measureReads(stage, kindred, aged, `http://127.0.0.1:${metricsPort}`);
  const { rate, note } = compare(lists, 'list of 5 sessions', 'floor');
  return {
    figures: [
      figure('list of 5 sessions against floor, aged database', rate, note),
      slowest(reads, 'events', 'trail search, slowest filter, p99, aged database'),
      slowest(reads, 'users', 'user search, slowest, p99, aged database'),
      slowest(reads, '/metrics', '/metrics, p99, aged database'),
    ],
    series: [...lists, ...reads],
    facts: { users: aged.users, sessions: aged.sessions, events: aged.events },
  };
}

async function measureLists(stage: Stage, kindred: RunningPeer, aged: Aged): Promise<Series[]> {
  const floor = await startPeer(stage, 'aged', 'floor', Math.max(connections, Math.ceil(aged.sessions / 5)));
  await select(floor.databaseUrl, 'vacuum analyze');
  await stage.generator.open('list of 5 sessions', await sessionsLoad(kindred), kindred.pid);
  await stage.generator.open('floor', floorSessionsLoad(floor), floor.pid);
  return await takeTurns(
    stage,
    ['list of 5 sessions', 'floor'].map((name) => contestant(stage, name, name)),
  );
}

async function measureReads(
  stage: Stage,
  kindred: RunningPeer,
  aged: Aged,
  metricsUrl: string,
): Promise<Series[]> {
  const { access_token } = await logIn(kindred, administrator, { scope: 'admin', client: consoleClient });
  const searches = {
    ...(await trailSearches(kindred.databaseUrl, aged)),
    ...userSearches(aged),
    '/api/admin/stats': ['/api/admin/stats'],
  };
  const contestants: Contestant[] = [];
  const open = async (name: string, url: string, paths: string[], token: string) => {
    const contains = url === metricsUrl ? 'kindred_' : '{';
    // One connection: what is asked is how long one administrator waits.
    const load = { kind: 'get', url, paths, tokens: [token], contains } as const;
    await stage.generator.open(name, { ...load, tokens: [token] }, kindred.pid);
    contestants.push({ name, drive: (seconds) => driveHalf(stage, name, seconds) });
  };
  for (const [name, paths] of Object.entries(searches)) await open(name, kindred.url, paths, access_token);
  await open('/metrics', metricsUrl, ['/metrics'], '');
  return await takeTurns(stage, contestants);
}

// There are many of them, and half a round is some hundred answers.
async function driveHalf({ generator }: Stage, name: string, seconds: number): Promise<Round> {
  return await generator.drive(name, { seconds: seconds / 2 });
}

function slowest(series: Series[], prefix: string, bar: Parameters<typeof figure>[0]) {
  const own = series.filter(({ name }) => name.startsWith(prefix));
  const [worst] = own.toSorted((a, b) => b.median.p99 - a.median.p99);
  return figure(bar, worst?.median.p99 ?? Number.NaN, worst?.name);
}
