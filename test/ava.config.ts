// AVA's settings are in package.json; this file adds what JSON cannot: it reports the result to test/run.ts.
import { relative } from 'node:path';
import type { ObservedRun } from 'ava/internal';
import settings from '../package.json' with { type: 'json' };

/** The result of a run. `failed` counts every test that did not pass; a file that broke counts as one. */
export interface Result {
  passed: number;
  failed: number;
  skipped: number;
  /** The skipped tests: file and title, which says why. */
  skippedTests: string[];
}

async function observeRun({ events }: ObservedRun): Promise<void> {
  const skippedTests: string[] = [];
  for await (const event of events) {
    if (event.type === 'selected-test' && (event.skip || event.todo)) {
      skippedTests.push(`${relative(process.cwd(), event.testFile)}: ${event.title}`);
    }
    if (event.type !== 'stats') continue;
    const { stats } = event;
    const result: Result = {
      passed: stats.passedTests + stats.passedKnownFailingTests,
      failed: stats.failedTests + stats.failedHooks + stats.remainingTests + stats.failedWorkers,
      skipped: stats.skippedTests + stats.todoTests,
      skippedTests,
    };
    process.send?.(result);
  }
}

// When test/run.ts is killed, its databases end too. SIGINT makes AVA stop its workers.
process.once('disconnect', () => process.kill(process.pid, 'SIGINT'));
process.channel?.unref();

// `npm run test:interop` runs the clients of test/interop/ instead of the tests.
const files = process.env.INTEROP ? { files: ['test/interop/**/*.interop.ts'] } : {};

export default {
  ...settings.ava,
  ...files,
  nonSemVerExperiments: { observeRunsFromConfig: true },
  observeRun,
};
