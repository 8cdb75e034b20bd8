// The first of several processes (WORKERS): it makes the database ready, runs what is to run once, adds the metrics up
// and keeps the workers, which answer the requests. It opens no port but that of the metrics.
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type Config, withPort } from '../../config/index.ts';
import { openServices, type Services } from '../core/deps.ts';
import { seedDemo } from '../demo/demo_data.ts';
import { renderTogether } from '../lib/aggregate_metrics.ts';
import { startOperations, warnOfSettings } from '../operations.ts';
import { makeDatabaseReady } from './ready_database.ts';
import { PlainError } from './shutdown.ts';
import { keepWorkers, type Workers } from './worker_pool.ts';

export interface RunningPrimary {
  config: Config;
  services: Services;
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
  const services = await openServices(config);
  warnOfSettings(services);
  if (config.rateLimits.store === 'memory') {
    services.log.warn({ workers: config.workers }, 'RATE_LIMITS=memory: every worker counts by itself');
  }
  if (config.env === 'development') await seedDemo(services.db);
  const workers = keepWorkers(config, services.log, giveUp);
  const { stopJobs, close } = await startOperations(ofThePrimary(services, workers));
  await workers.start();
  return {
    config,
    services,
    async stop() {
      const [isInOrder] = await Promise.all([workers.stop(), stopJobs()]);
      await services.audit.flush();
      await close();
      await services.close();
      if (!isInOrder) throw new PlainError('a worker did not end in order');
    },
  };
}

// Its metrics are everybody's. Traces are of requests, and it has none.
function ofThePrimary(services: Services, workers: Workers): Services {
  const render = async () => {
    const { parts, ended } = await workers.readMetrics();
    return await renderTogether(
      [{ name: 'primary', figures: await services.metrics.read() }, ...parts],
      ended,
    );
  };
  return {
    ...services,
    config: { ...services.config, tracesEndpoint: null },
    metrics: { ...services.metrics, render },
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
