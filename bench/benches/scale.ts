// Refreshes over tables of sessions of several sizes: each size has a server and a database, and the rounds alternate.
import { setTimeout as sleep } from 'node:timers/promises';
import type { HopLoad } from '../generator/hop.ts';
import { figure } from '../harness/figures.ts';
import type { Found } from '../harness/report.ts';
import { type Contestant, contestant, type Series, takeTurns } from '../harness/rounds.ts';
import { type Stage, select } from '../harness/stage.ts';
import { type RunningPeer, startPeer, verifySignatures } from '../peers/index.ts';
import { client_id, connections, secret } from '../peers/parties.ts';
import { fillSessions, readStorage, type Storage } from './fill.ts';

const million = 1_000_000;

/** `args` are sizes: a single one is added to 10 k and 1 M, several replace them. */
export async function benchScale(stage: Stage, args: string[]): Promise<Found> {
  const given = args.map(Number);
  const sizes = given.length > 1 ? given : [10_000, million, ...given];
  const written = new Map<string, Written>();
  const peers: { size: number; name: string; peer: RunningPeer }[] = [];
  for (const size of sizes) {
    const peer = await startPeer(stage, `scale_${size}`, 'kindred', 1);
    const name = `${size} sessions`;
    await stage.generator.open(name, await hopLoad(peer, size), peer.pid);
    peers.push({ size, name, peer });
  }
  const series = await takeTurns(
    stage,
    peers.map(({ name, peer }) => withWal(contestant(stage, name, name), peer.databaseUrl, written)),
  );
  const storages: Record<string, Storage & { wal_bytes_of_a_rotation: number }> = {};
  for (const { name, peer } of peers) {
    await verifySignatures(peer, await stage.generator.newest(name));
    await peer.stop();
    await stage.generator.close(name);
  }
  // A backend of Postgres reports its counts shortly after its connection closes.
  await sleep(1000);
  for (const { name, peer } of peers) {
    const { bytes, count } = written.get(name) ?? { bytes: Number.NaN, count: 1 };
    const wal_bytes_of_a_rotation = Math.round(bytes / count);
    storages[name] = { ...(await readStorage(peer.databaseUrl)), wal_bytes_of_a_rotation };
  }
  const judged = peers.find(({ size }) => size === million) ?? peers.at(-1);
  return { figures: figuresOf(series, storages[judged?.name ?? ''], judged?.name), series, facts: storages };
}

/** The log that rotations wrote. */
interface Written {
  bytes: number;
  count: number;
}

// The log of Postgres, which grows by a whole page when a page is written for the first time after a checkpoint. The rounds
// follow a checkpoint, so that the figure is that of the costliest moment.
function withWal(one: Contestant, databaseUrl: string, written: Map<string, Written>): Contestant {
  const drive = async (seconds: number) => {
    const before = await readWal(databaseUrl);
    const round = await one.drive(seconds);
    const { bytes, count } = written.get(one.name) ?? { bytes: 0, count: 0 };
    const more = (await readWal(databaseUrl)) - before;
    written.set(one.name, { bytes: bytes + more, count: count + round.count });
    return round;
  };
  return { ...one, drive };
}

async function readWal(databaseUrl: string): Promise<number> {
  const [row] = await select<{ at: number }>(
    databaseUrl,
    "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 as at",
  );
  return row?.at ?? Number.NaN;
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
