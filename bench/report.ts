// What the bench found: as a table for people and as JSON for comparison.
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Round } from './load.ts';

const directory = join(import.meta.dirname, 'results');

export interface Result {
  name: string;
  /** The median of each figure over the rounds. */
  median: Omit<Round, 'count'>;
  rounds: Round[];
}

export interface Report {
  at: string;
  machine: string;
  /** The load average at the end; with two processes, a generator and Postgres, about 3 when nothing else runs. */
  load: number;
  settings: Record<string, unknown>;
  results: Result[];
  /** Of the UPDATEs on sessions, how many stayed heap-only. */
  hot_share: Record<string, number>;
}

/** The medians of a peer's rounds. */
export function summarize(name: string, rounds: Round[]): Result {
  const of = (figure: keyof Round) => median(rounds.map((round) => round[figure]));
  return {
    name,
    rounds,
    median: { per_second: of('per_second'), p50: of('p50'), p99: of('p99'), cpu: of('cpu') },
  };
}

/** Prints the medians; with a floor, also what share of it each peer reaches. */
export function printReport({ results, hot_share }: Report): void {
  const floor = results.find((result) => result.name === 'floor');
  const line = (cells: string[]) =>
    console.log(cells.map((cell, column) => (column === 0 ? cell.padEnd(10) : cell.padStart(13))).join(''));
  console.log();
  line(['refresh', 'per second', 'of the floor', 'p50 ms', 'p99 ms', 'CPU ms', 'HOT share']);
  for (const { name, median: found } of results) {
    const share = floor ? `${((100 * found.per_second) / floor.median.per_second).toFixed(0)} %` : '-';
    const hot = (hot_share[name] ?? Number.NaN).toFixed(3);
    const times = [found.p50, found.p99, found.cpu].map((time) => time.toFixed(2));
    line([name, found.per_second.toFixed(0), share, ...times, hot]);
  }
}

/** Writes the report into `bench/results/`; returns its path. */
export async function saveReport(report: Report): Promise<string> {
  await mkdir(directory, { recursive: true });
  const file = join(directory, `${report.at.replaceAll(':', '-').slice(0, 19)}.json`);
  await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
  return relative(process.cwd(), file);
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = 0, high = 0] =
    sorted.length % 2 ? [sorted[middle], sorted[middle]] : sorted.slice(middle - 1, middle + 1);
  return (low + high) / 2;
}
