// Refreshes against the floor and against other servers: first-party client, JWT access tokens.
import { figure } from '../harness/figures.ts';
import type { Found } from '../harness/report.ts';
import { compare, contestant, takeTurns } from '../harness/rounds.ts';
import type { Stage } from '../harness/stage.ts';
import { type PeerName, startPeer, verifySignatures } from '../peers/index.ts';
import { refreshLoad } from '../peers/logins.ts';

const all: PeerName[] = ['kindred', 'floor', 'node_oauth', 'stock'];

/** `args` name the peers; none means all of them. */
export async function benchRefresh(stage: Stage, args: string[]): Promise<Found> {
  const unknown = args.find((name) => !all.includes(name as PeerName));
  if (unknown) throw new Error(`there is no peer ${unknown}; there are ${all.join(', ')}`);
  const names = all.filter((name) => args.length === 0 || args.includes(name));
  const peers = [];
  for (const name of names) {
    const peer = await startPeer(stage, 'refresh', name);
    await stage.generator.open(name, await refreshLoad(peer), peer.pid);
    peers.push(peer);
  }
  const series = await takeTurns(
    stage,
    names.map((name) => contestant(stage, name, name)),
  );
  for (const peer of peers) await verifySignatures(peer, await stage.generator.newest(peer.name));
  const against = (['floor', 'node_oauth', 'stock'] as const).filter((name) => names.includes(name));
  const figures = names.includes('kindred')
    ? against.map((name) => {
        const { rate, note } = compare(series, 'kindred', name);
        return figure(`plain refresh against ${name}`, rate, note);
      })
    : [];
  return { figures, series };
}
