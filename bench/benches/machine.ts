// Logins of clients that act for no user, against the plain refresh of the same server; stock and node-oauth have them too.
import { figure } from '../harness/figures.ts';
import type { Found } from '../harness/report.ts';
import { type Contestant, compare, contestant, takeTurns } from '../harness/rounds.ts';
import type { Stage } from '../harness/stage.ts';
import { type RunningPeer, startPeer, verifySignatures } from '../peers/index.ts';
import { refreshLoad } from '../peers/logins.ts';
import { connections, machine, ordersApi } from '../peers/parties.ts';

/** All in one run. */
export async function benchMachine(stage: Stage): Promise<Found> {
  const kindred = await startPeer(stage, 'machine', 'kindred');
  await stage.generator.open('plain refresh', await refreshLoad(kindred), kindred.pid);
  const floor = await startPeer(stage, 'machine', 'floor');
  await stage.generator.open('floor', await refreshLoad(floor), floor.pid);
  const series = await takeTurns(stage, [
    await open(stage, kindred, 'client_credentials', ordersApi.scope),
    contestant(stage, 'plain refresh', 'plain refresh'),
    contestant(stage, "floor's refresh", 'floor'),
    await open(stage, await startPeer(stage, 'machine', 'stock'), 'stock', 'account'),
    await open(stage, await startPeer(stage, 'machine', 'node_oauth'), 'node_oauth', 'account'),
  ]);
  await verifySignatures(kindred, await stage.generator.newest('client_credentials'));
  const { rate, note } = compare(series, 'client_credentials', 'plain refresh');
  return { figures: [figure('client_credentials against plain refresh', rate, note)], series };
}

async function open(stage: Stage, peer: RunningPeer, name: string, scope: string): Promise<Contestant> {
  const load = {
    kind: 'client_credentials',
    url: peer.url,
    caller: machine,
    scope,
    chains: connections,
  } as const;
  await stage.generator.open(name, load, peer.pid);
  return contestant(stage, name, name);
}
