// The results of the bench: as tables for people and as JSON for comparison.
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { join, relative } from 'node:path';
import { describePlaces, type Places } from '../machine/pinning.ts';
import { type Figure, format, inOrder, rowOf } from './figures.ts';
import type { Options } from './options.ts';
import type { Series } from './rounds.ts';
import { resultsDirectory } from './stage.ts';

/** The results of one bench. */
export interface Found {
  figures: Figure[];
  series?: Series[];
  /** Further values worth keeping. */
  facts?: Record<string, unknown>;
  /** Why the bench failed. */
  error?: string;
}

export interface Report {
  at: string;
  machine: string;
  commit: string | null;
  settings: Record<string, unknown>;
  benches: Record<string, Found & { load: number; seconds: number }>;
}

/** A report without results. */
export function openReport(options: Options, places: Places | null): Report {
  return {
    at: new Date().toISOString(),
    machine: `${cpus()[0]?.model ?? 'an unknown CPU'}, ${availableParallelism()} cores, Node ${process.version}`,
    commit: readCommit(),
    settings: {
      connections: 16,
      rounds: options.rounds,
      round_seconds: options.seconds,
      pinning: describePlaces(places),
      postgres: options.durable
        ? '18, fsync and synchronous_commit on'
        : '18, fsync and synchronous_commit off',
      profiled: options.profile,
    },
    benches: {},
  };
}

export const columnsOfSeries = [
  '',
  'per second',
  'p50 ms',
  'p99 ms',
  'server CPU ms',
  'Postgres CPU ms',
  'generator',
  'its core',
];

/** The cells of a contestant's row. */
export function rowOfSeries({ name, median }: Series): string[] {
  return [
    name,
    format(median.per_second),
    format(median.p50),
    format(median.p99),
    milliseconds(median.cpu),
    milliseconds(median.postgres),
    percent(median.generator),
    percent(median.beside),
  ];
}

/** Prints the results of one bench: its series, then its facts. */
export function printFound(name: string, { series = [], facts = {} }: Found): void {
  console.log(`\n${name}`);
  if (series.length > 0) {
    printTable(columnsOfSeries, series.map(rowOfSeries));
  }
  for (const [fact, value] of Object.entries(facts)) console.log(`  ${fact}: ${describeFact(value)}`);
}

export const columnsOfFigures = ['figure', 'measured', 'must', 'aim', 'met'];

/** Prints all figures with their bars, in the order of the bars. */
export function printFigures({ benches, machine, settings }: Report): void {
  const figures = inOrder(Object.values(benches).flatMap((found) => found.figures));
  console.log(`\n${machine}; ${settings.pinning}; Postgres ${settings.postgres}`);
  const busy = Object.values(benches).some(({ load }) => load > availableParallelism() + 2);
  if (busy) console.log('the machine was busy with other work: only CPU times are to be trusted');
  printTable(columnsOfFigures, figures.map(rowOf));
  for (const { name, note } of figures) if (note !== undefined) console.log(`  ${name}: ${note}`);
}

function printTable(head: string[], lines: string[][]): void {
  const table = [head, ...lines];
  const widths = head.map((_, column) => Math.max(...table.map((line) => (line[column] ?? '').length)));
  for (const line of table) {
    const cells = line.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
    );
    console.log(`  ${cells.join('   ')}`);
  }
}

function milliseconds(value: number | null): string {
  return value !== null && Number.isFinite(value) ? value.toFixed(3) : '-';
}

function percent(share: number | null): string {
  return share === null || Number.isNaN(share) ? '-' : `${(100 * share).toFixed(0)} %`;
}

/** A fact as text. */
export function describeFact(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function readCommit(): string | null {
  try {
    const git = ['-C', import.meta.dirname, 'describe', '--always', '--dirty'];
    return execFileSync('git', git, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return null;
  }
}

/** Writes the report into `bench/results/`; returns its path. */
export async function saveReport(report: Report): Promise<string> {
  await mkdir(resultsDirectory, { recursive: true });
  const names = Object.keys(report.benches);
  const stamp = report.at.replaceAll(':', '-').slice(0, 19);
  const file = join(resultsDirectory, `${stamp}-${names.length > 3 ? 'all' : names.join('-')}.json`);
  await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
  return relative(process.cwd(), file);
}
