// Interleaved rounds: A, B, A, B …, so that a machine that slows down slows all contestants. Medians are compared.
import type { Round } from '../generator/drive.ts';
import { readTreeCpuTime } from '../machine/cpu.ts';
import type { Stage } from './stage.ts';

export interface Series {
  name: string;
  rounds: Round[];
  /** The median of each figure. */
  median: Round;
}

export interface Contestant {
  name: string;
  /** One round. */
  drive: (seconds: number) => Promise<Round>;
}

/** Warms up all contestants, then runs their rounds in turns. */
export async function takeTurns(stage: Stage, contestants: Contestant[]): Promise<Series[]> {
  const { rounds, seconds } = stage.options;
  for (const { drive } of contestants) await drive(seconds);
  const done = contestants.map((one) => ({ ...one, rounds: [] as Round[] }));
  for (let round = 0; round < rounds; round += 1) {
    for (const one of done) one.rounds.push(await withPostgres(stage, () => one.drive(seconds)));
  }
  return done.map(({ name, rounds: all }) => ({ name, rounds: all, median: summarize(all) }));
}

// One contestant is driven at a time, so that what Postgres uses meanwhile is for its requests.
async function withPostgres(stage: Stage, drive: () => Promise<Round>): Promise<Round> {
  const before = await readTreeCpuTime(stage.postmaster);
  const round = await drive();
  const after = await readTreeCpuTime(stage.postmaster);
  return before === null || after === null
    ? round
    : { ...round, postgres: (1000 * (after - before)) / round.count };
}

/** A contestant that drives an open load. */
export function contestant(stage: Stage, name: string, load: string): Contestant {
  return { name, drive: (seconds) => stage.generator.drive(load, { seconds }) };
}

/** The median of each figure over the rounds. */
export function summarize(rounds: Round[]): Round {
  const of = (figure: keyof Round) => median(rounds.map((round) => round[figure] ?? Number.NaN));
  return {
    count: of('count'),
    per_second: of('per_second'),
    p50: of('p50'),
    p99: of('p99'),
    cpu: of('cpu'),
    postgres: of('postgres'),
    generator: of('generator'),
    beside: of('beside'),
  };
}

/** The median: of an even number, the mean of the middle two. */
export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = Number.NaN, high = low] =
    sorted.length % 2 ? [sorted[middle]] : sorted.slice(middle - 1, middle + 1);
  return (low + high) / 2;
}

/** Compares two series by their rates and by the server's CPU per request, which other work on the machine disturbs less. */
export function compare(series: Series[], name: string, other: string): { rate: number; note: string } {
  const [cpu, otherCpu] = [name, other].map((one) => series.find((found) => found.name === one)?.median.cpu);
  const byCpu = (otherCpu ?? Number.NaN) / (cpu ?? Number.NaN);
  const note = `by the server's CPU for one request ${byCpu.toFixed(2)}`;
  return { rate: rateOf(series, name) / rateOf(series, other), note };
}

/** The median rate of the series `name`. */
function rateOf(series: Series[], name: string): number {
  return series.find((one) => one.name === name)?.median.per_second ?? Number.NaN;
}
