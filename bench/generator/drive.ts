// Drives chains. Each has a connection of its own, sends its next request as soon as it has an answer, and checks every answer.
import { setTimeout as sleep } from 'node:timers/promises';
import { readCpuTime, readOwnCores } from '../machine/cpu.ts';
import { Connection } from './http.ts';

/** One client that sends request after request. */
export interface Chain {
  /** The next request, head and body; null when the chain has no further one. */
  next: () => string | null;
  /** Takes the answer; throws when it is wrong. */
  take: (status: number, body: string, head: string) => Part | undefined;
}

/**
 * What an answer is when it is not the whole of what is counted. `unfinished`: the unit of work, such as a login by pages, and
 * its time go on with the next request. `uncounted`: the request only prepares the next one.
 */
export type Part = 'unfinished' | 'uncounted';

export interface Round {
  count: number;
  per_second: number;
  /** Milliseconds from the first byte sent to the last one received, of a whole unit of work. */
  p50: number;
  p99: number;
  /** CPU of the server's process, all threads, for one request, in milliseconds; null where there is no /proc. */
  cpu: number | null;
  /** CPU of all processes of Postgres for one request, in milliseconds; null where it was not measured. */
  postgres: number | null;
  /** The share of one core that the generator used. Near 1, the round measured the generator and not the server. */
  generator: number;
  /** How busy the generator's cores were, other processes included; null where there is no /proc. */
  beside: number | null;
}

/** When a round ends: after a number of seconds or of answers, whichever comes first. */
export interface Limit {
  seconds?: number;
  count?: number;
  /** Requests a second over all chains; without it, each chain sends its next request at once. */
  rate?: number;
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
      interval: limit.rate === undefined ? 0 : 1000 / limit.rate,
      due: start,
    };
    const times: number[] = [];
    const followed = connections.map((connection, index) => follow(connection, chains[index], shared, times));
    await Promise.all(followed);
    const elapsed = (performance.now() - start) / 1000;
    const [after, coresAfter] = await Promise.all([readCpuTime(pid), readOwnCores()]);
    const used = process.cpuUsage(own);
    times.sort((a, b) => a - b);
    return {
      postgres: null,
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

interface Shared {
  end: number;
  left: number;
  interval: number;
  /** When the next request is due, where they are paced. */
  due: number;
}

async function follow(
  connection: Connection,
  chain: Chain | undefined,
  shared: Shared,
  times: number[],
): Promise<void> {
  let began: number | null = null;
  while (chain && performance.now() < shared.end) {
    if (began === null && shared.left <= 0) return;
    if (shared.interval > 0) await waitForTurn(shared);
    const request = chain.next();
    if (request === null) return;
    if (began === null) {
      began = performance.now();
      shared.left -= 1;
    }
    const { status, body, head } = await connection.ask(request);
    const took = performance.now() - began;
    const part = chain.take(status, body, head);
    if (part === 'unfinished') continue;
    began = null;
    if (part === 'uncounted') shared.left += 1;
    else times.push(took);
  }
}

// A chain that is late sends at once; what was missed is made up for, so that the rate holds.
async function waitForTurn(shared: Shared): Promise<void> {
  const { due } = shared;
  shared.due += shared.interval;
  const wait = due - performance.now();
  if (wait > 0) await sleep(wait);
}

function percentile(sorted: number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
