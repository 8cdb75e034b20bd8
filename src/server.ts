// The entry of the server: settings, start, signal handlers, and the exit code. With WORKERS this process is the primary
// (process/primary.ts) and forks the processes that answer requests.
import { type Config, loadConfig } from '../config/index.ts';
import { printBanner, withStopLog } from './process/banner.ts';
import { startServer } from './process/run_server.ts';
import { fail, installSignalHandlers, toFatalError } from './process/shutdown.ts';

async function main(): Promise<void> {
  const shutdown = installSignalHandlers();
  const config = loadConfig();
  try {
    const server =
      config.workers > 1 ? await startAsPrimary(config, shutdown.start) : await startServer(config);
    const { log } = server.deps;
    shutdown.onStop(withStopLog(log, server.config, server.stop));
    printBanner(log, server.config);
  } catch (error) {
    throw toFatalError(error, config);
  }
}

// Imported here only, so that a single process does not load node:cluster.
async function startAsPrimary(config: Config, giveUp: (error: Error) => void) {
  const { startPrimary } = await import('./process/primary.ts');
  return await startPrimary(config, giveUp);
}

main().catch(fail);
