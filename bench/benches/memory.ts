// The server's resident memory after a hundred thousand refreshes.

import { figure } from '../harness/figures.ts';
import type { Found } from '../harness/report.ts';
import type { Stage } from '../harness/stage.ts';
import { readResident } from '../machine/cpu.ts';
import { startPeer, verifySignatures } from '../peers/index.ts';
import { refreshLoad } from '../peers/logins.ts';

/** Seconds that the refreshes may take. On a slower machine there are fewer, and the figure's note says so. */
const longest = 240;

/** `args`: the number of refreshes, for a quick run. */
export async function benchMemory(stage: Stage, [wanted = '100000']: string[]): Promise<Found> {
  const peer = await startPeer(stage, 'memory', 'kindred');
  const atStart = await readResident(peer.pid);
  await stage.generator.open('memory', await refreshLoad(peer), peer.pid);
  const rounds = [];
  const resident = [];
  for (let part = 0; part < 4; part += 1) {
    const count = Math.ceil(Number(wanted) / 4);
    rounds.push(await stage.generator.drive('memory', { count, seconds: longest / 4 }));
    resident.push(await readResident(peer.pid));
  }
  await verifySignatures(peer, await stage.generator.newest('memory'));
  const count = rounds.reduce((sum, round) => sum + round.count, 0);
  const measured = resident.at(-1) ?? Number.NaN;
  return {
    figures: [figure('resident memory after 100 k refreshes', measured, `after ${count} refreshes`)],
    facts: {
      'MiB at the start': atStart?.toFixed(0),
      'MiB after each quarter': resident.map((one) => one?.toFixed(0)).join(', '),
      'refreshes a second': (rounds.at(-1)?.per_second ?? Number.NaN).toFixed(0),
    },
  };
}
