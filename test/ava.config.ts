// AVA's settings stand in package.json; this adds the one thing a JSON file cannot: telling test/run.ts how it went.
import { relative } from 'node:path';
import type { ObservedRun } from 'ava/internal';
import settings from '../package.json' with { type: 'json' };

/** What one run came to. `failed` counts whatever was to run and did not pass; a file that broke counts as one. */
export interface Result {
  passed: number;
  failed: number;
  skipped: number;
  /** What was skipped: file and title, which says why. */
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

// Killed, test/run.ts takes the databases with it. SIGINT is what AVA takes its workers down for.
process.once('disconnect', () => process.kill(process.pid, 'SIGINT'));
process.channel?.unref();

export default {
  ...settings.ava,
  nonSemVerExperiments: { observeRunsFromConfig: true },
  observeRun,
};
