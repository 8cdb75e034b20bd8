// The generated part of docs/performance.md: what the bench printed, between two markers. `--write-docs` writes it after a run;
// `node_modules/.bin/node bench/harness/docs.ts <results.json>…` writes it from the files of earlier runs, of which a later one
// replaces the benches of those before it.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { format, inOrder, rowOf } from './figures.ts';
import { columnsOfFigures, columnsOfSeries, describeFact, type Report, rowOfSeries } from './report.ts';

const file = join(import.meta.dirname, '../../docs/performance.md');
const begin = '<!-- written by the bench: begin -->';
const end = '<!-- written by the bench: end -->';

/** Replaces the generated part of the page. */
export async function writeDocs(report: Report): Promise<void> {
  const page = await readFile(file, 'utf8');
  await writeFile(file, replacePart(page, describeReport(report)));
}

/** The page with another generated part. */
export function replacePart(page: string, part: string): string {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error('the page has no markers');
  return `${page.slice(0, from + begin.length)}\n${part}${page.slice(to)}`;
}

/** The reports as one; each bench is that of the last report that has it. */
export function joinReports(reports: Report[]): Report {
  const [first, ...more] = reports;
  if (!first) throw new Error('there is no report');
  return more.reduce((all, one) => ({ ...one, benches: { ...all.benches, ...one.benches } }), first);
}

/** A report as Markdown: the figures with their bars, then the rounds of each bench. */
export function describeReport({ at, machine, commit, settings, benches }: Report): string {
  const all = Object.entries(benches);
  const figures = inOrder(all.flatMap(([, found]) => found.figures));
  const seconds = all.reduce((sum, [, found]) => sum + found.seconds, 0);
  const minutes = format(seconds / 60);
  return [
    `${at.slice(0, 10)}, commit ${commit ?? 'unknown'}: ${machine}; ${settings.pinning}; Postgres ${settings.postgres}; ${settings.rounds} rounds of ${settings.round_seconds} s; ${minutes} minutes.`,
    '',
    ...table(columnsOfFigures, figures.map(rowOf)),
    ...all.flatMap(([name, { series = [], facts = {} }]) => [
      '',
      `### ${name}`,
      ...(series.length > 0 ? ['', ...table(columnsOfSeries, series.map(rowOfSeries))] : []),
      ...(Object.keys(facts).length > 0
        ? ['', ...Object.entries(facts).map(([fact, value]) => `- ${fact}: ${describeFact(value)}`)]
        : []),
    ]),
    '',
  ].join('\n');
}

function table(head: string[], lines: string[][]): string[] {
  const row = (cells: string[]) => `| ${cells.join(' | ')} |`;
  return [row(head), row(head.map((_, column) => (column === 0 ? '---' : '--:'))), ...lines.map(row)];
}

if (import.meta.main) {
  const files = await Promise.all(process.argv.slice(2).map((name) => readFile(name, 'utf8')));
  await writeDocs(joinReports(files.map((text) => JSON.parse(text) as Report)));
}
