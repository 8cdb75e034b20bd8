// The load: one chain of refreshes per kept-alive connection, each answer checked before its token is used.
import { type Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { readCpuTime } from './cpu.ts';

/** What a load is driven against. */
export interface Target {
  url: string;
  /** The server's process, where its CPU time is of interest. */
  pid?: number;
  agent: Agent;
  /** The refresh token that each chain presents next. */
  chains: string[];
  /** The form of one refresh. */
  form: (token: string) => Record<string, string>;
  /** The next refresh token; throws when the answer is not what it must be. */
  check: (presented: string, answer: Record<string, unknown>) => string;
}

export interface Round {
  count: number;
  per_second: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
  /** Of the server's process for one refresh, milliseconds; not a number where the system does not tell. */
  cpu: number;
}

/** Lets every chain refresh as fast as it is answered, for so many seconds. */
export async function drive(target: Target, seconds: number): Promise<Round> {
  const before = await readCpuTime(target.pid ?? 0);
  const start = performance.now();
  const end = start + seconds * 1000;
  const times = (await Promise.all(target.chains.map((_, chain) => follow(target, chain, end)))).flat();
  const elapsed = (performance.now() - start) / 1000;
  const after = await readCpuTime(target.pid ?? 0);
  times.sort((a, b) => a - b);
  return {
    count: times.length,
    per_second: times.length / elapsed,
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    cpu: before === null || after === null ? Number.NaN : (1000 * (after - before)) / times.length,
  };
}

async function follow(target: Target, chain: number, end: number): Promise<number[]> {
  const times: number[] = [];
  while (performance.now() < end) {
    const presented = target.chains[chain] ?? '';
    const sent = performance.now();
    const answer = await post(target, target.form(presented));
    times.push(performance.now() - sent);
    target.chains[chain] = target.check(presented, answer);
  }
  return times;
}

/** One request to the token endpoint; anything but a 200 throws. */
export async function post(
  { url, agent }: Pick<Target, 'url' | 'agent'>,
  form: Record<string, string>,
): Promise<Record<string, unknown>> {
  const body = new URLSearchParams(form).toString();
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    'content-length': Buffer.byteLength(body),
  };
  const { promise, resolve, reject } = Promise.withResolvers<Record<string, unknown>>();
  const outgoing = request(`${url}/token`, { method: 'POST', agent, headers }, async (response) => {
    try {
      const said = await text(response);
      if (response.statusCode !== 200) throw new Error(`${response.statusCode}: ${said}`);
      resolve(JSON.parse(said));
    } catch (error) {
      reject(error);
    }
  });
  outgoing.on('error', reject).end(body);
  return await promise;
}

function percentile(sorted: number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
