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
import { deliverBackchannelLogouts } from '../oidc/endpoints/backchannel_logout.ts';
import { startOperations, warnOfSettings } from '../operations.ts';
import { seedDemo } from './demo_data.ts';
import { makeDatabaseReady } from './ready_database.ts';

/**
 * At the end, requests in flight get ten seconds. Idle connections close when nothing has come in for a while: in
 * production long enough for a request that is on its way from a busy proxy, elsewhere nobody wants to wait for it.
 */
function drainTimeoutsOf({ env }: Config): DrainTimeouts {
  return { deadline: 10_000, quiet: env === 'production' ? 3_000 : 300 };
}

export interface RunningServer {
  config: Config;
  /** What it works with, for benches that look inside. */
  deps: Deps;
  /** Stops accepting, lets what is in flight finish, writes what waits, closes. */
  stop: () => Promise<void>;
}

/**
 * Starts a server: migrates, opens everything, listens. `PORT=0` takes a free port, which `config` then has. Other limits
 * of connections are for tests that cannot wait for these.
 */
export async function startServer(settings: Config, limits = connectionLimits): Promise<RunningServer> {
  await makeDatabaseReady(settings);
  const { server, answerWith } = createWaitingServer(limits);
  const drain = createDrain(server, drainTimeoutsOf(settings));
  // The issuer names the port, so one that the system picks is taken first. Nobody can know it yet.
  const config = settings.port === 0 ? withPort(settings, await listen(server, settings)) : settings;
  const deps = await openDeps(config).catch((error) => {
    server.close();
    throw error;
  });
  warnOfSettings(deps);
  if (config.env === 'development') await seedDemo(deps.db);
  const { answer, stop } = await beginWork(deps, drain);
  answerWith(answer);
  if (settings.port !== 0) await listenOrStop(server, config, stop);
  return { config, deps, stop };
}

/**
 * Starts one of several alike on a database that is ready. It can stop listening first: who is told to go elsewhere by
 * one must not come to another that is about to say the same.
 */
export async function startWorker(
  config: Config,
): Promise<RunningServer & { stopListening: () => Promise<void> }> {
  const deps = await openDeps(config);
  const { server, answerWith } = createWaitingServer(connectionLimits);
  const drain = createDrain(server, drainTimeoutsOf(config));
  const { answer, stop } = await beginWork(deps, drain);
  answerWith(answer);
  await listenOrStop(server, config, stop, sharesPort);
  return { config, deps, stop, stopListening: drain.stopListening };
}

// A server is there once it can answer: a proxy sends a request elsewhere when the connection is refused, and hands a 503
// to the client. A request that comes before all the same waits.
function createWaitingServer(limits: ConnectionLimits) {
  const begun = Promise.withResolvers<RequestListener>();
  let answer: RequestListener = (request, response) =>
    void begun.promise.then((found) => found(request, response));
  return {
    server: createBoundedServer((request, response) => answer(request, response), limits),
    answerWith(found: RequestListener) {
      answer = found;
      begun.resolve(found);
    },
  };
}

/** Starts what answers, and what goes on beside it. */
async function beginWork(deps: Deps, { isDraining, close: drain }: Drain) {
  const { tracing, stopJobs, close } = await startOperations(deps);
  const engine = createEngine(deps);
  const notices = deliverBackchannelLogouts(deps, () => engine().provider);
  return {
    answer: createApp(deps, engine, { isDraining, tracing }).callback(),
    async stop() {
      await Promise.all([drain(), stopJobs()]);
      await notices.stop();
      await deps.audit.flush();
      await close();
      await deps.close();
    },
  };
}

// The system deals the connections out. Dealt by the primary, as elsewhere, those on their way to a worker that is killed
// would hang: node:cluster waits for ever for it to take them, and a client sees neither an answer nor an end.
const sharesPort = process.platform === 'linux';

// What has been opened by then would keep the process alive.
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
