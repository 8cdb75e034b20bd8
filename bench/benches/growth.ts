// How much a database grows by a million rotations of ten thousand sessions. Some of them come over HTTP and show the size
// of the audit trail; the others run the same statement in two processes, which is faster.
import { setTimeout as sleep } from 'node:timers/promises';
import { figure } from '../harness/figures.ts';
import type { Found } from '../harness/report.ts';
import { askChild, type Child, type Stage, select } from '../harness/stage.ts';
import { startPeer, verifySignatures } from '../peers/index.ts';
import { readStorage, type Storage } from './fill.ts';
import { hopLoad } from './scale.ts';

const sessions = 10_000;
const mebi = 1024 ** 2;

/** Seconds that the direct rotations may take. On a slower machine the figure is that of fewer rotations, and its note says so. */
const longest = 240;

/** `args`: the total of rotations, for a quick run. */
export async function benchGrowth(stage: Stage, [wanted = '1000000']: string[]): Promise<Found> {
  const overHttp = Math.round(Number(wanted) / 50);
  const peer = await startPeer(stage, 'growth', 'kindred', 1);
  await stage.generator.open('growth', await hopLoad(peer, sessions), peer.pid);
  const before = await readStorage(peer.databaseUrl);
  await stage.generator.drive('growth', { count: overHttp });
  await verifySignatures(peer, await stage.generator.newest('growth'));
  // The audit trail is written in batches; a server that stops writes the events in its queue.
  await peer.stop();
  const between = await readStorage(peer.databaseUrl);
  const start = performance.now();
  const directly = await rotateDirectly(stage, peer.databaseUrl, Number(wanted) - overHttp);
  const seconds = (performance.now() - start) / 1000;
  await sleep(1000);
  const after = await readStorage(peer.databaseUrl);
  await checkGenerations(peer.databaseUrl, overHttp + directly);
  const rate = directly / seconds;
  return describe({ before, between, after, overHttp, directly, rate });
}

interface Measured {
  before: Storage;
  /** After the rotations over HTTP. */
  between: Storage;
  after: Storage;
  overHttp: number;
  directly: number;
  /** Direct rotations per second. */
  rate: number;
}

function describe({ before, between, after, overHttp, directly, rate }: Measured): Found {
  const audit = after.audit_bytes - before.audit_bytes;
  const grown = (after.database_bytes - before.database_bytes - audit) / mebi;
  const auditOfOne = (between.audit_bytes - before.audit_bytes) / overHttp;
  const made = `${overHttp + directly} rotations of ${sessions} sessions`;
  return {
    figures: [
      figure(
        'growth by 1 M rotations of 10 k sessions',
        grown,
        `${made}, ${overHttp} of them over HTTP, the others by the same statement in two processes`,
      ),
      figure('HOT share of rotation updates', after.hot_share ?? Number.NaN, made),
    ],
    facts: {
      'audit of a plain rotation, apart, bytes': auditOfOne.toFixed(0),
      'audit of 1 M plain rotations, apart, MiB': ((auditOfOne * 1e6) / mebi).toFixed(0),
      'rotations a second by the statement alone': rate.toFixed(0),
      before,
      after,
    },
  };
}

async function rotateDirectly(stage: Stage, databaseUrl: string, count: number): Promise<number> {
  const children: Child[] = [];
  for (let index = 0; index < 2; index += 1) {
    const env = { DATABASE_URL: databaseUrl, PART: String(index), PARTS: '2' };
    children.push(await stage.serve('peers/rotator.ts', env, { pinned: false }));
  }
  const shares = [Math.floor(count / 2), Math.ceil(count / 2)];
  const answers = await Promise.all(
    children.map((child, index) =>
      askChild<{ done: number }>(child, { count: shares[index], seconds: longest }),
    ),
  );
  await Promise.all(children.map((child) => child.stop()));
  return answers.reduce((sum, { done }) => sum + done, 0);
}

// Every rotation is in the table exactly once. The session that was copied has none.
async function checkGenerations(databaseUrl: string, total: number): Promise<void> {
  const [row] = await select<{ sum: number }>(
    databaseUrl,
    'select sum(generation)::float8 as sum from sessions',
  );
  if (row?.sum !== total) throw new Error(`${total} rotations left a sum of generations of ${row?.sum}`);
}
