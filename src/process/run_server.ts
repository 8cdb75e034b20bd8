// Starts a server in this process: database, everything it opens once, app, jobs, and the port last. Stops it in order:
// requests in flight finish, the audit trail is written, then everything is closed.
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Config, withPort } from '../../config/index.ts';
import { createApp, createEngine } from '../app.ts';
import { type Deps, openDeps } from '../core/deps.ts';
import {
  type ConnectionLimits,
  connectionLimits,
  createBoundedServer,
} from '../http/listener/connections.ts';
import { createDrain, type Drain, type DrainTimeouts } from '../http/listener/drain.ts';
import { deliverMails } from '../mail/deliver_mails.ts';
import { deliverBackchannelLogouts } from '../oidc/endpoints/backchannel_logout.ts';
import { logConfigWarnings, startOperations } from '../operations.ts';
import { seedDemo } from './demo_data.ts';
import { prepareDatabase } from './ready_database.ts';

/**
 * At a stop, requests in flight get ten seconds. Idle connections close once nothing has come in for a while: in
 * production long enough for a request that is on its way from a busy proxy, elsewhere shorter, for a quick stop.
 */
function drainTimeoutsOf({ env }: Config): DrainTimeouts {
  return { deadline: 10_000, quiet: env === 'production' ? 3_000 : 300 };
}

export interface RunningServer {
  config: Config;
  /** What the server uses, for benches and workers that need it. */
  deps: Deps;
  /** Stops accepting, lets requests in flight finish, writes queued audit events, and closes everything. */
  stop: () => Promise<void>;
}

/**
 * Starts a server: migrates, opens everything, listens. `PORT=0` takes a free port, which the returned `config` has.
 * Tests give other `limits` of connections, because the real ones take too long to reach.
 */
export async function startServer(settings: Config, limits = connectionLimits): Promise<RunningServer> {
  await prepareDatabase(settings);
  const { server, setListener } = createPendingServer(limits);
  const drain = createDrain(server, drainTimeoutsOf(settings));
  // The issuer contains the port, so a port that the system picks is taken first; no client can know it yet.
  const config = settings.port === 0 ? withPort(settings, await listen(server, settings)) : settings;
  const deps = await openDeps(config).catch((error) => {
    server.close();
    throw error;
  });
  logConfigWarnings(deps);
  if (config.env === 'development') await seedDemo(deps.db);
  const { answer, stop } = await startWork(deps, drain);
  setListener(answer);
  if (settings.port !== 0) await listenOrStop(server, config, stop);
  return { config, deps, stop };
}

/**
 * Starts one of several workers, on a database that is prepared. `stopListening` is a step of its own, so that all workers
 * take it first: a client that one worker disconnects must not reach another that is about to do the same.
 */
export async function startWorker(
  config: Config,
): Promise<RunningServer & { stopListening: () => Promise<void> }> {
  const deps = await openDeps(config);
  const { server, setListener } = createPendingServer(connectionLimits);
  const drain = createDrain(server, drainTimeoutsOf(config));
  const { answer, stop } = await startWork(deps, drain);
  setListener(answer);
  await listenOrStop(server, config, stop, sharesPort);
  return { config, deps, stop, stopListening: drain.stopListening };
}

// The server listens only once it can answer: a proxy retries elsewhere when a connection is refused, but passes a 503 on
// to the client. With PORT=0 it listens earlier, and a request that comes before then waits.
function createPendingServer(limits: ConnectionLimits) {
  const ready = Promise.withResolvers<RequestListener>();
  let answer: RequestListener = (request, response) =>
    void ready.promise.then((found) => found(request, response));
  return {
    server: createBoundedServer((request, response) => answer(request, response), limits),
    setListener(found: RequestListener) {
      answer = found;
      ready.resolve(found);
    },
  };
}

/** Starts the app, the jobs, the metrics and the deliveries. */
async function startWork(deps: Deps, { isDraining, close: drain }: Drain) {
  const { tracing, stopJobs, close } = await startOperations(deps);
  const engine = createEngine(deps);
  const deliveries = [deliverBackchannelLogouts(deps, () => engine().provider), deliverMails(deps)];
  return {
    answer: createApp(deps, engine, { isDraining, tracing }).callback(),
    async stop() {
      await Promise.all([drain(), stopJobs()]);
      await Promise.all(deliveries.map((delivery) => delivery.stop()));
      await deps.audit.flush();
      await close();
      await deps.close();
    },
  };
}

// On Linux the kernel distributes connections to the workers. Elsewhere the primary does; a connection on its way to a
// worker that is killed then hangs, because node:cluster waits forever for that worker to take it.
const sharesPort = process.platform === 'linux';

// Without the stop, what is already open would keep the process alive.
async function listenOrStop(server: Server, config: Config, stop: () => Promise<void>, reusePort = false) {
  try {
    await listen(server, config, reusePort);
  } catch (error) {
    await stop();
    throw error;
  }
}

function listen(server: Server, { host, port }: Config, reusePort = false): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, reusePort }, () => resolve((server.address() as AddressInfo).port));
  });
}
