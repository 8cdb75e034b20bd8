// Refreshes over tables of sessions of several sizes: each size has a server and a database, and the rounds alternate.
import { setTimeout as sleep } from 'node:timers/promises';
import type { HopLoad } from '../generator/hop.ts';
import { figure } from '../harness/figures.ts';
import type { Found } from '../harness/report.ts';
import { contestant, type Series, takeTurns } from '../harness/rounds.ts';
import type { Stage } from '../harness/stage.ts';
import { type RunningPeer, startPeer, verifySignatures } from '../peers/index.ts';
import { client_id, connections, secret } from '../peers/parties.ts';
import { fillSessions, readStorage, type Storage } from './fill.ts';

const million = 1_000_000;

/** `args` are sizes: a single one is added to 10 k and 1 M, several replace them. */
export async function benchScale(stage: Stage, args: string[]): Promise<Found> {
  const given = args.map(Number);
  const sizes = given.length > 1 ? given : [10_000, million, ...given];
  const peers: { size: number; name: string; peer: RunningPeer }[] = [];
  for (const size of sizes) {
    const peer = await startPeer(stage, `scale_${size}`, 'kindred', 1);
    const name = `${size} sessions`;
    await stage.generator.open(name, await hopLoad(peer, size), peer.pid);
    peers.push({ size, name, peer });
  }
  const series = await takeTurns(
    stage,
    peers.map(({ name }) => contestant(stage, name, name)),
  );
  const storages: Record<string, Storage> = {};
  for (const { name, peer } of peers) {
    await verifySignatures(peer, await stage.generator.newest(name));
    await peer.stop();
    await stage.generator.close(name);
  }
  // A backend of Postgres reports its counts shortly after its connection closes.
  await sleep(1000);
  for (const { name, peer } of peers) storages[name] = await readStorage(peer.databaseUrl);
  const judged = peers.find(({ size }) => size === million) ?? peers.at(-1);
  return { figures: figuresOf(series, storages[judged?.name ?? ''], judged?.name), series, facts: storages };
}

/** The load that hops over a newly filled table. */
export async function hopLoad(peer: RunningPeer, size: number): Promise<HopLoad> {
  const sessions = await fillSessions(peer, size);
  return { kind: 'hop', url: peer.url, client_id, secret, sessions, chains: connections };
}

function figuresOf(series: Series[], storage: Storage | undefined, note = '') {
  const rates = series.map((one) => one.median.per_second);
  return [
    figure(
      'plain refresh by size of the table, slowest against fastest',
      Math.min(...rates) / Math.max(...rates),
      series.map(({ name }) => name).join(', '),
    ),
    figure('HOT share of rotation updates', storage?.hot_share ?? Number.NaN, note),
    figure(
      'bytes a session, indexes included',
      (storage?.bytes ?? Number.NaN) / (storage?.sessions ?? Number.NaN),
      note,
    ),
  ];
}
