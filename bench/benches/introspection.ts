// Introspection of JWTs by a caller with a secret, against the floor: a form, one indexed SELECT and the same answer.

import type { Round } from '../generator/drive.ts';
import type { IntrospectionLoad } from '../generator/introspection.ts';
import { figure } from '../harness/figures.ts';
import type { Found } from '../harness/report.ts';
import { compare, contestant, takeTurns } from '../harness/rounds.ts';
import type { Stage } from '../harness/stage.ts';
import { type RunningPeer, startPeer } from '../peers/index.ts';
import { logIn, refreshLoad } from '../peers/logins.ts';
import { api, connections } from '../peers/parties.ts';

/** Measures repeated and new tokens. Both are compared with one floor, to which they are the same. */
export async function benchIntrospection(stage: Stage): Promise<Found> {
  const { generator } = stage;
  const kindred = await startPeer(stage, 'introspection', 'kindred');
  const floor = await startPeer(stage, 'introspection', 'floor');
  for (const peer of [kindred, floor]) {
    await generator.open(peer.name, await repeatedLoad(peer), peer.pid);
  }
  await generator.open('mint', await refreshLoad(kindred, { keep: true }), kindred.pid);
  await generator.open('new', { ...emptyLoad(kindred), chains: connections }, kindred.pid, 'mint');
  const series = await takeTurns(stage, [
    contestant(stage, 'kindred, repeated', 'kindred'),
    contestant(stage, 'floor', 'floor'),
    { name: 'kindred, new', drive: (seconds) => driveNew(stage, seconds) },
  ]);
  const repeated = compare(series, 'kindred, repeated', 'floor');
  const fresh = compare(series, 'kindred, new', 'floor');
  const figures = [
    figure('introspection, repeated JWT, against floor', repeated.rate, repeated.note),
    figure('introspection, new JWT, against floor', fresh.rate, fresh.note),
  ];
  return { figures, series };
}

// New tokens come from refreshes before the round. When they run out the round ends early, which does not change its rate.
async function driveNew({ generator }: Stage, seconds: number): Promise<Round> {
  await generator.drive('mint', { seconds });
  return await generator.drive('new', { seconds });
}

function emptyLoad({ url }: RunningPeer): IntrospectionLoad {
  return { kind: 'introspection', url, caller: api, repeated: [], chains: 0 };
}

async function repeatedLoad(peer: RunningPeer): Promise<IntrospectionLoad> {
  const repeated: string[] = [];
  for (let index = 0; index < connections; index += 1) {
    repeated.push((await logIn(peer, `user-${index}`)).access_token);
  }
  return { ...emptyLoad(peer), repeated, chains: connections };
}
