// How refreshes with an ID token signed by RS256, a hundred a second, slow down plain ones on the same server. The server
// signs with one algorithm, so that its plain refreshes are signed by RS256 too.
import type { Round } from '../generator/drive.ts';
import { figure } from '../harness/figures.ts';
import type { Found } from '../harness/report.ts';
import { contestant, takeTurns } from '../harness/rounds.ts';
import type { Stage } from '../harness/stage.ts';
import { startPeer, verifySignatures } from '../peers/index.ts';
import { refreshLoad } from '../peers/logins.ts';
import { connections } from '../peers/parties.ts';

const rate = 100;

/** Rounds with and without the others take turns; the same chains refresh in both. */
export async function benchBeside(stage: Stage): Promise<Found> {
  const peer = await startPeer(stage, 'beside', 'kindred', connections, { SIGNING_ALG: 'RS256' });
  await stage.generator.open('plain', await refreshLoad(peer), peer.pid);
  const openid = await refreshLoad(peer, { answer: ['id_token'] }, { scope: 'openid account' });
  await stage.generator.open('openid', openid, peer.pid);
  const others: Round[] = [];
  const series = await takeTurns(stage, [
    contestant(stage, 'plain, alone', 'plain'),
    { name: 'plain, beside', drive: (seconds) => driveBeside(stage, seconds, others) },
  ]);
  await verifySignatures(peer, await stage.generator.newest('plain'), 'RS256');
  const [alone, beside] = series.map((one) => one.median.p99);
  const measured = (beside ?? Number.NaN) / (alone ?? Number.NaN);
  return {
    figures: [figure('plain refresh p99 beside 100 RS256 refreshes a second, against alone', measured)],
    series,
    facts: { 'RS256 refreshes a second meanwhile': (others.at(-1)?.per_second ?? Number.NaN).toFixed(0) },
  };
}

// The server's CPU time covers both loads, so it is left out.
async function driveBeside({ generator }: Stage, seconds: number, others: Round[]): Promise<Round> {
  const [round, other] = await Promise.all([
    generator.drive('plain', { seconds }),
    generator.drive('openid', { seconds, rate }),
  ]);
  others.push(other);
  return { ...round, cpu: null };
}
