// `npm run bench [-- <names>]`: measures the figures of README and docs/performance.md. Without names it runs the standard
// benches, in some twenty minutes, and stops by itself. It exits with an error when an answer was wrong or a bench did not come
// to its end; a missed figure is a result.
import { loadavg } from 'node:os';
import { type Bench, benches } from './benches/index.ts';
import { writeDocs } from './harness/docs.ts';
import { type Chosen, readCommandLine } from './harness/options.ts';
import {
  type Found,
  openReport,
  printFigures,
  printFound,
  type Report,
  saveReport,
} from './harness/report.ts';
import { openStage, type Stage } from './harness/stage.ts';
import { withTimeLimit } from './harness/time_limit.ts';

async function main(): Promise<void> {
  const { options, chosen } = readArguments();
  const standard = Object.entries(benches).filter(([, bench]) => bench.isStandard);
  const todo = chosen.length > 0 ? chosen : standard.map(([name]) => ({ name, args: [] }));
  const stage = await openStage(options);
  const report = openReport(options, stage.places);
  console.log(`${report.machine}; ${report.settings.pinning}; Postgres ${report.settings.postgres}`);
  try {
    await runAll(stage, report, todo);
  } finally {
    await stage.stop();
  }
  printFigures(report);
  console.log(`\nwritten to ${await saveReport(report)}`);
  if (options.writeDocs) await writeDocs(report);
}

function readArguments(): ReturnType<typeof readCommandLine> {
  try {
    return readCommandLine(process.argv.slice(2), Object.keys(benches));
  } catch (error) {
    console.error(`bench: ${(error as Error).message}`);
    process.exit(1);
  }
}

async function runAll(stage: Stage, report: Report, todo: Chosen[]): Promise<void> {
  const end = performance.now() + stage.options.minutes * 60_000;
  for (const [index, one] of todo.entries()) {
    if (performance.now() > end) {
      const left = todo.slice(index).map(({ name }) => name);
      console.error(`\nno time was left for ${left.join(', ')}`);
      process.exitCode = 1;
      return;
    }
    await runOne(stage, report, one);
  }
}

async function runOne(stage: Stage, report: Report, { name, args }: Chosen): Promise<void> {
  const bench = benches[name];
  if (!bench) throw new Error(`there is no bench ${name}`);
  const start = performance.now();
  try {
    // The failure of one bench must not cost the others their figures.
    const found = await runInTime(stage, bench, args).catch((error): Found => {
      process.exitCode = 1;
      console.error(`\n${name} failed:`, error);
      return { figures: [], error: String(error) };
    });
    const seconds = Math.round((performance.now() - start) / 1000);
    report.benches[name] = { ...found, seconds, load: loadavg()[0] ?? 0 };
    if (found.error === undefined) printFound(`${name} (${seconds} s)`, found);
  } finally {
    await stage.clear();
  }
}

/** Minutes that one of the standard benches may take. A bench with arguments takes as long as they make it. */
const longest = 10;

async function runInTime(stage: Stage, bench: Bench, args: string[]): Promise<Found> {
  const run = bench.run(stage, args);
  return bench.isStandard && args.length === 0 ? await withTimeLimit(run, longest * 60_000) : await run;
}

await main();
