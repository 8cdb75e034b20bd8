// Drives chains. Each has a connection of its own, sends its next request as soon as it has an answer, and checks every answer.
import { readCpuTime, readOwnCores } from '../machine/cpu.ts';
import { Connection } from './http.ts';

/** One client that sends request after request. */
export interface Chain {
  /** The next request, head and body; null when the chain has no further one. */
  next: () => string | null;
  /** Takes the answer; throws when it is wrong. */
  take: (status: number, body: string) => void;
}

export interface Round {
  count: number;
  per_second: number;
  /** Milliseconds from the first byte sent to the last one received. */
  p50: number;
  p99: number;
  /** CPU of the server's process, all threads, for one request, in milliseconds; null where there is no /proc. */
  cpu: number | null;
  /** The share of one core that the generator used. Near 1, the round measured the generator and not the server. */
  generator: number;
  /** How busy the generator's cores were, other processes included; null where there is no /proc. */
  beside: number | null;
}

/** When a round ends: after a number of seconds or of answers, whichever comes first. */
export interface Limit {
  seconds?: number;
  count?: number;
}

/** One round over all chains. `pid` is the server's process. */
export async function drive(chains: Chain[], port: number, pid: number, limit: Limit): Promise<Round> {
  const connections = await Promise.all(chains.map(() => Connection.open(port)));
  try {
    const own = process.cpuUsage();
    const [before, coresBefore] = await Promise.all([readCpuTime(pid), readOwnCores()]);
    const start = performance.now();
    const shared = {
      end: start + (limit.seconds ?? 3600) * 1000,
      left: limit.count ?? Number.POSITIVE_INFINITY,
    };
    const times: number[] = [];
    const followed = connections.map((connection, index) => follow(connection, chains[index], shared, times));
    await Promise.all(followed);
    const elapsed = (performance.now() - start) / 1000;
    const [after, coresAfter] = await Promise.all([readCpuTime(pid), readOwnCores()]);
    const used = process.cpuUsage(own);
    times.sort((a, b) => a - b);
    return {
      count: times.length,
      per_second: times.length / elapsed,
      p50: percentile(times, 0.5),
      p99: percentile(times, 0.99),
      cpu: before === null || after === null ? null : (1000 * (after - before)) / times.length,
      generator: (used.user + used.system) / 1e6 / elapsed,
      beside:
        coresBefore && coresAfter ? (coresAfter.busy - coresBefore.busy) / coresAfter.cores / elapsed : null,
    };
  } finally {
    for (const connection of connections) connection.close();
  }
}

async function follow(
  connection: Connection,
  chain: Chain | undefined,
  shared: { end: number; left: number },
  times: number[],
): Promise<void> {
  while (chain && shared.left > 0 && performance.now() < shared.end) {
    const request = chain.next();
    if (request === null) return;
    shared.left -= 1;
    const sent = performance.now();
    const { status, body } = await connection.ask(request);
    times.push(performance.now() - sent);
    chain.take(status, body);
  }
}

function percentile(sorted: number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
