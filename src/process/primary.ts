// The primary of several processes (WORKERS): prepares the database, runs the jobs, serves the summed metrics, and keeps
// the workers, which answer the requests. It opens no port but that of the metrics.
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type Config, withPort } from '../../config/index.ts';
import { type Deps, openDeps } from '../core/deps.ts';
import { renderAggregate } from '../lib/aggregate_metrics.ts';
import { logConfigWarnings, startOperations } from '../operations.ts';
import { seedDemo } from './demo_data.ts';
import { prepareDatabase } from './ready_database.ts';
import { FatalError } from './shutdown.ts';
import { startWorkerPool, type WorkerPool } from './worker_pool.ts';

export interface RunningPrimary {
  config: Config;
  deps: Deps;
  /** Lets the workers finish what they have accepted, then closes what this process opened. */
  stop: () => Promise<void>;
}

/** Starts the primary and its workers; calls `giveUp` when workers exit as soon as they start. */
export async function startPrimary(
  settings: Config,
  giveUp: (error: Error) => void,
): Promise<RunningPrimary> {
  await prepareDatabase(settings);
  const config = withPort(settings, await findPort(settings));
  const deps = await openDeps(config);
  logConfigWarnings(deps);
  if (config.rateLimits.store === 'memory') {
    deps.log.warn({ workers: config.workers }, 'RATE_LIMITS=memory: every worker counts by itself');
  }
  if (config.env === 'development') await seedDemo(deps.db);
  const workers = startWorkerPool(config, deps.log, giveUp);
  const { stopJobs, close } = await startOperations(withSummedMetrics(deps, workers));
  await workers.start();
  return {
    config,
    deps,
    async stop() {
      const [isClean] = await Promise.all([workers.stop(), stopJobs()]);
      await deps.audit.flush();
      await close();
      await deps.close();
      if (!isClean) throw new FatalError('a worker did not stop cleanly');
    },
  };
}

// Metrics of all processes; no traces, because the primary answers no requests.
function withSummedMetrics(deps: Deps, workers: WorkerPool): Deps {
  const render = async () => {
    const { live, exited } = await workers.readMetrics();
    return await renderAggregate([{ name: 'primary', metrics: await deps.metrics.read() }, ...live], exited);
  };
  return {
    ...deps,
    config: { ...deps.config, tracesEndpoint: null },
    metrics: { ...deps.metrics, render },
  };
}

// Picks the port that the workers will share, and fails if another process listens on it: workers share their port, so
// they would not notice a second Kindred. With PORT=0 each worker would pick a port of its own, and so another issuer.
async function findPort({ host, port }: Config): Promise<number> {
  const server = createServer().listen(port, host);
  await once(server, 'listening');
  const { port: found } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return found;
}
