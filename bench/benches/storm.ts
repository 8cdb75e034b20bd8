// How many logins at once slow down refreshes: 64 clients log in without a pause beside 16 chains of refreshes.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Round } from '../generator/drive.ts';
import { figure } from '../harness/figures.ts';
import type { Found } from '../harness/report.ts';
import { contestant, median, takeTurns } from '../harness/rounds.ts';
import type { Stage } from '../harness/stage.ts';
import { startPeer, verifySignatures } from '../peers/index.ts';
import { refreshLoad } from '../peers/logins.ts';
import { client_id, password } from '../peers/parties.ts';

const clients = 64;

/** Rounds with and without the logins take turns; the same chains refresh in both. */
export async function benchStorm(stage: Stage): Promise<Found> {
  const kindred = await startPeer(stage, 'storm', 'kindred', clients);
  const usernames = Array.from({ length: clients }, (_, index) => `user-${index}`);
  await stage.generator.open('refresh', await refreshLoad(kindred), kindred.pid);
  await stage.generator.open(
    'logins',
    { kind: 'login', url: kindred.url, client_id, password, usernames },
    kindred.pid,
  );
  const logins: Round[] = [];
  const series = await takeTurns(stage, [
    contestant(stage, 'idle', 'refresh'),
    { name: 'during 64 logins', drive: (seconds) => driveInStorm(stage, seconds, logins) },
  ]);
  await verifySignatures(kindred, await stage.generator.newest('refresh'));
  const [idle, storm] = series.map((one) => one.median.p99);
  const rate = median(logins.map((round) => round.per_second));
  return {
    figures: [
      figure(
        'plain refresh p99 during 64 logins, against idle',
        (storm ?? Number.NaN) / (idle ?? Number.NaN),
      ),
    ],
    series,
    facts: { 'logins a second meanwhile': rate.toFixed(1) },
  };
}

// The logins begin before the round and end after it. The server's CPU time covers both loads, so it is left out.
async function driveInStorm({ generator }: Stage, seconds: number, logins: Round[]): Promise<Round> {
  const storm = generator.drive('logins', { seconds: seconds + 0.7 });
  await sleep(500);
  const [round, login] = await Promise.all([generator.drive('refresh', { seconds }), storm]);
  logins.push(login);
  return { ...round, cpu: null };
}
