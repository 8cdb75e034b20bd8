// The first of several processes (WORKERS): it makes the database ready, runs what is to run once, adds the metrics up
// and keeps the workers, which answer the requests. It opens no port but that of the metrics.
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type Config, withPort } from '../../config/index.ts';
import { type Deps, openDeps } from '../core/deps.ts';
import { renderAggregate } from '../lib/aggregate_metrics.ts';
import { startOperations, warnOfSettings } from '../operations.ts';
import { seedDemo } from './demo_data.ts';
import { makeDatabaseReady } from './ready_database.ts';
import { StartProblem } from './shutdown.ts';
import { startWorkerPool, type WorkerPool } from './worker_pool.ts';

export interface RunningPrimary {
  config: Config;
  deps: Deps;
  /** Lets the workers finish what they have accepted, then closes what is its own. */
  stop: () => Promise<void>;
}

/** Starts all of it; `giveUp` is told when workers cannot be kept any more. */
export async function startPrimary(
  settings: Config,
  giveUp: (error: Error) => void,
): Promise<RunningPrimary> {
  await makeDatabaseReady(settings);
  const config = withPort(settings, await findPort(settings));
  const deps = await openDeps(config);
  warnOfSettings(deps);
  if (config.rateLimits.store === 'memory') {
    deps.log.warn({ workers: config.workers }, 'RATE_LIMITS=memory: every worker counts by itself');
  }
  if (config.env === 'development') await seedDemo(deps.db);
  const workers = startWorkerPool(config, deps.log, giveUp);
  const { stopJobs, close } = await startOperations(ofThePrimary(deps, workers));
  await workers.start();
  return {
    config,
    deps,
    async stop() {
      const [isInOrder] = await Promise.all([workers.stop(), stopJobs()]);
      await deps.audit.flush();
      await close();
      await deps.close();
      if (!isInOrder) throw new StartProblem('a worker did not end in order');
    },
  };
}

// Its metrics are everybody's. Traces are of requests, and it has none.
function ofThePrimary(deps: Deps, workers: WorkerPool): Deps {
  const render = async () => {
    const { parts, ended } = await workers.readMetrics();
    return await renderAggregate([{ name: 'primary', figures: await deps.metrics.read() }, ...parts], ended);
  };
  return {
    ...deps,
    config: { ...deps.config, tracesEndpoint: null },
    metrics: { ...deps.metrics, render },
  };
}

// The port that the workers will share, which nobody else may listen on: they would not notice a second Kindred there.
// Workers that listened on 0 themselves would find a new port, and with it a new issuer, once all of them had died.
async function findPort({ host, port }: Config): Promise<number> {
  const server = createServer().listen(port, host);
  await once(server, 'listening');
  const { port: found } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return found;
}
