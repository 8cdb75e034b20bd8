// `npm test [-- <arguments of ava>]`: one Postgres and one migrated template of each store for the whole run. With INTEROP,
// as `npm run test:interop` sets it, the clients of test/interop/.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Result } from './ava.config.ts';
import { makePostgresTemplate, makeSqliteTemplate } from './helpers/templates.ts';

const ava = fileURLToPath(new URL('../node_modules/ava/entrypoints/cli.js', import.meta.url));
const config = fileURLToPath(new URL('ava.config.ts', import.meta.url));

// The clients of test/interop/ run one file after the other, on servers that make their own databases.
const isInterop = Boolean(process.env.INTEROP);

const templates = isInterop ? [] : await Promise.all([makePostgresTemplate(), makeSqliteTemplate()]);
const [postgres, sqlite] = templates;
const code = await runAva(
  postgres && sqlite
    ? { KINDRED_TEST_POSTGRES: postgres.address, KINDRED_TEST_SQLITE_TEMPLATE: sqlite.address }
    : {},
);
await Promise.all(templates.map((one) => one.stop()));
process.exit(code);

/** Runs AVA and returns its exit code; a run without any test has failed. */
async function runAva(env: Record<string, string>): Promise<number> {
  // More files at once would need more connections than Postgres has.
  const concurrency = isInterop ? 1 : Math.min(4, Math.max(2, availableParallelism()));
  const child = spawn(
    process.execPath,
    [ava, '--config', config, '--concurrency', String(concurrency), ...process.argv.slice(2)],
    { env: { ...process.env, ...env }, stdio: ['inherit', 'inherit', 'inherit', 'ipc'] },
  );
  let result: Result = { passed: 0, failed: 0, skipped: 0, skippedTests: [] };
  child.on('message', (message: Result) => {
    result = message;
  });
  // The only signal that AVA forwards to its workers.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => child.kill('SIGINT'));
  const [exitCode] = await once(child, 'close');
  if (result.skipped > 0)
    console.log(`\nSkipped:\n${result.skippedTests.map((one) => `  ${one}\n`).join('')}`);
  console.log(`\n${describe(result)}`);
  return result.passed + result.failed === 0 ? 1 : (exitCode ?? 1);
}

function describe({ passed, failed, skipped }: Result): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
