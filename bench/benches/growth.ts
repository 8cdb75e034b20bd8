// How much a database grows by a million rotations of ten thousand sessions, with the ring of each session's last rotations
// and the trail. Some come over HTTP, the others by the same statement and batch in two processes, which is faster.
import { setTimeout as sleep } from 'node:timers/promises';
import { figure } from '../harness/figures.ts';
import type { Found } from '../harness/report.ts';
import { askChild, type Child, type Stage, select } from '../harness/stage.ts';
import { startPeer, verifySignatures } from '../peers/index.ts';
import { readStorage, type Storage } from './fill.ts';
import { hopLoad } from './scale.ts';

const sessions = 10_000;
const ringSize = 8;
const mebi = 1024 ** 2;

/** Seconds that the direct rotations may take. On a slower machine the figure is that of fewer rotations, and its note says so. */
const longest = 240;

/** `args`: the total of rotations, at least 100,000, for a quick run. */
export async function benchGrowth(stage: Stage, [wanted = '1000000']: string[]): Promise<Found> {
  const total = Number(wanted);
  const overHttp = Math.round(total / 50);
  const peer = await startPeer(stage, 'growth', 'kindred', 1);
  await stage.generator.open('growth', await hopLoad(peer, sessions), peer.pid);
  const before = await readStorage(peer.databaseUrl);
  await stage.generator.drive('growth', { count: overHttp });
  await verifySignatures(peer, await stage.generator.newest('growth'));
  // A server that stops writes the rotations in its batch.
  await peer.stop();
  const direct = await openRotators(stage, peer.databaseUrl);
  const start = performance.now();
  const filling = await direct.rotate({ count: total, upTo: ringSize });
  const eightTimes = await readStorage(peer.databaseUrl);
  const others = await direct.rotate({ count: Math.max(0, total - overHttp - filling) });
  const rate = (filling + others) / ((performance.now() - start) / 1000);
  await direct.stop();
  await sleep(1000);
  const after = await readStorage(peer.databaseUrl);
  const made = overHttp + filling + others;
  await checkRows(peer.databaseUrl, made);
  return describe({ before, eightTimes, after, made, overHttp, rate });
}

interface Measured {
  before: Storage;
  /** After eight rotations of each session, or somewhat more. */
  eightTimes: Storage;
  after: Storage;
  /** All rotations. */
  made: number;
  overHttp: number;
  /** Direct rotations per second. */
  rate: number;
}

function describe({ before, eightTimes, after, made, overHttp, rate }: Measured): Found {
  const grown = (name: 'bytes' | 'ring_bytes' | 'audit_bytes' | 'database_bytes') =>
    (after[name] - before[name]) / mebi;
  const note = `${made} rotations of ${sessions} sessions, ${overHttp} of them over HTTP`;
  return {
    figures: [
      figure('growth by 1 M rotations of 10 k sessions', grown('database_bytes'), note),
      figure(
        'bytes a session after eight rotations',
        (eightTimes.bytes + eightTimes.ring_bytes) / eightTimes.sessions,
        'table and ring, indexes included',
      ),
      figure('HOT share of rotation updates', after.hot_share ?? Number.NaN, note),
    ],
    facts: {
      'growth of sessions, MiB': grown('bytes').toFixed(1),
      'growth of the ring, MiB': grown('ring_bytes').toFixed(1),
      'growth of the trail, MiB': grown('audit_bytes').toFixed(1),
      'rotations a second by statement and batch alone': rate.toFixed(0),
      before,
      eightTimes,
      after,
    },
  };
}

interface Rotators {
  /** Rotates until `count` rotations are made, or each session has the generation `upTo`; returns how many. */
  rotate: (task: { count: number; upTo?: number }) => Promise<number>;
  stop: () => Promise<void>;
}

async function openRotators(stage: Stage, databaseUrl: string): Promise<Rotators> {
  const children: Child[] = [];
  for (let index = 0; index < 2; index += 1) {
    const env = { DATABASE_URL: databaseUrl, PART: String(index), PARTS: '2' };
    children.push(await stage.serve('peers/rotator.ts', env, { pinned: false }));
  }
  const end = performance.now() + longest * 1000;
  return {
    async rotate({ count, ...task }) {
      const shares = [Math.floor(count / 2), Math.ceil(count / 2)];
      const seconds = Math.max(0, (end - performance.now()) / 1000);
      const answers = await Promise.all(
        children.map((child, index) =>
          askChild<{ done: number }>(child, { ...task, count: shares[index], seconds }),
        ),
      );
      return answers.reduce((sum, { done }) => sum + done, 0);
    },
    async stop() {
      await Promise.all(children.map((child) => child.stop()));
    },
  };
}

// Every rotation is in the table of sessions exactly once, the last eight of each are in the ring, and none is in the trail.
async function checkRows(databaseUrl: string, made: number): Promise<void> {
  const [row] = await select<{ made: number; kept: number; due: number; in_trail: number }>(
    databaseUrl,
    `select sum(generation)::int as made, sum(least(generation, $1))::int as due, (select count(*)::int from session_rotations) as kept,
       (select count(*)::int from audit_events where type = 'refresh_token_rotated') as in_trail from sessions`,
    [ringSize],
  );
  if (row?.made !== made) throw new Error(`${made} rotations left a sum of generations of ${row?.made}`);
  if (row.kept !== row.due || row.in_trail !== 0)
    throw new Error(`${row.kept} of ${row.due} rotations are in the ring, ${row.in_trail} in the trail`);
}
