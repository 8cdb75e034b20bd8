// `npm run bench [-- <names>]`: measures the figures of README and docs/performance.md. Without names it runs the standard
// benches, in some twenty minutes. It exits with an error only when an answer was wrong; a missed figure is a result.
import { loadavg } from 'node:os';
import { benches } from './benches/index.ts';
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

async function main(): Promise<void> {
  const { options, chosen } = readArguments();
  const standard = Object.entries(benches).filter(([, bench]) => bench.isStandard);
  const todo = chosen.length > 0 ? chosen : standard.map(([name]) => ({ name, args: [] }));
  const stage = await openStage(options);
  const report = openReport(options, stage.places);
  console.log(`${report.machine}; ${report.settings.pinning}; Postgres ${report.settings.postgres}`);
  try {
    for (const one of todo) await runOne(stage, report, one);
  } finally {
    await stage.stop();
  }
  printFigures(report);
  console.log(`\nwritten to ${await saveReport(report)}`);
}

function readArguments(): ReturnType<typeof readCommandLine> {
  try {
    return readCommandLine(process.argv.slice(2), Object.keys(benches));
  } catch (error) {
    console.error(`bench: ${(error as Error).message}`);
    process.exit(1);
  }
}

async function runOne(stage: Stage, report: Report, { name, args }: Chosen): Promise<void> {
  const bench = benches[name];
  if (!bench) throw new Error(`there is no bench ${name}`);
  const start = performance.now();
  try {
    // The failure of one bench must not cost the others their figures.
    const found = await bench.run(stage, args).catch((error): Found => {
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

await main();
