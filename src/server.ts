// The entry of the server: settings, start, signal handlers, and the exit code. With WORKERS this process is the primary
// (process/primary.ts) and forks the processes that answer requests.
import { type Config, loadConfig } from '../config/index.ts';
import { greet, tellingOfStop } from './process/banner.ts';
import { startServer } from './process/run_server.ts';
import { asStartProblem, fail, installSignalHandlers } from './process/shutdown.ts';

async function main(): Promise<void> {
  const shutdown = installSignalHandlers();
  const config = loadConfig();
  try {
    const server = config.workers > 1 ? await lead(config, shutdown.end) : await startServer(config);
    const { log } = server.deps;
    shutdown.ready(tellingOfStop(log, server.config, server.stop));
    greet(log, server.config);
  } catch (error) {
    throw asStartProblem(error, config);
  }
}

// Imported here only, so that a single process does not load node:cluster.
async function lead(config: Config, giveUp: (error: Error) => void) {
  const { startPrimary } = await import('./process/primary.ts');
  return await startPrimary(config, giveUp);
}

main().catch(fail);
