// The process: settings, database, app, listen, and an orderly end.
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Config, ConfigError, loadConfig, withPort } from '../config/index.ts';
import { createApp, createEngine } from './app.ts';
import { migrate } from './core/migrate.ts';
import { openServices, type Services } from './core/services.ts';
import { demo, seedDemo } from './demo_data.ts';
import { connectionLimits, createBoundedServer } from './http/connections.ts';
import { createDrain, type Patience } from './http/drain.ts';
import { deliverLogoutNotices } from './oidc/logout_notices.ts';
import { startOperations } from './operations.ts';

/**
 * At the end, requests in flight get ten seconds. Idle connections close when nothing has come in for a while: in
 * production long enough for a request that is on its way from a busy proxy, elsewhere nobody wants to wait for it.
 */
function patienceOf({ env }: Config): Patience {
  return { whole: 10_000, quiet: env === 'production' ? 3_000 : 300 };
}

/** Milliseconds after which a process that was told to stop and still has not is beyond help. */
const longestStop = 15_000;

export interface RunningServer {
  config: Config;
  /** What it works with, for benches that look inside. */
  services: Services;
  /** Stops accepting, lets what is in flight finish, writes what waits, closes. */
  stop: () => Promise<void>;
}

/**
 * Starts a server: migrates, opens everything, listens. `PORT=0` takes a free port, which `config` then has. Other limits
 * of connections are for tests that cannot wait for these.
 */
export async function startServer(settings: Config, limits = connectionLimits): Promise<RunningServer> {
  await migrate(settings.databaseUrl);
  let answer: RequestListener = (_request, response) => response.writeHead(503, { 'Retry-After': '1' }).end();
  const server = createBoundedServer((request, response) => answer(request, response), limits);
  const { isDraining, run: drain } = createDrain(server, patienceOf(settings));
  const config = withPort(settings, await listen(server, settings));
  const services = await openServices(config).catch((error) => {
    server.close();
    throw error;
  });
  if (config.env === 'development') await seedDemo(services.db);
  const { tracing, stopJobs, close } = await startOperations(services);
  const engine = createEngine(services);
  const notices = deliverLogoutNotices(services, () => engine().provider);
  answer = createApp(services, engine, { isDraining, tracing }).callback();
  return {
    config,
    services,
    async stop() {
      await Promise.all([drain(), stopJobs()]);
      await notices.stop();
      await services.audit.flush();
      await close();
      await services.close();
    },
  };
}

function listen(server: Server, { host, port }: Config): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}

function greet({ issuer, env }: Config): void {
  const field = (name: string) => `"$(printf %s "$TOKENS" | sed -E 's/.*"${name}":"([^"]+)".*/\\1/')"`;
  console.log(`Kindred listens; issuer ${issuer}`);
  if (env !== 'development') return;
  console.log(`
  1. log in:    TOKENS=$(curl -s ${issuer}/token -d grant_type=password -d client_id=${demo.app} -d username=${demo.username} -d 'password=${demo.password}' -d device_name=laptop -d device_id=laptop); echo "$TOKENS"

  2. refresh:   TOKENS=$(curl -s ${issuer}/token -d grant_type=refresh_token -d client_id=${demo.app} -d refresh_token=${field('refresh_token')}); echo "$TOKENS"

  3. sessions:  curl -s ${issuer}/api/sessions -H "Authorization: Bearer "${field('access_token')}

"npm run demo" walks through what happens when a token is stolen. The API is described at ${issuer}/api/openapi.json
`);
}

async function main(): Promise<void> {
  let stop: (() => Promise<void>) | null = null;
  let isStopping = false;
  const end = () => {
    // Nothing has been accepted yet, or whoever asks has waited long enough.
    if (isStopping || !stop) process.exit(isStopping ? 1 : 0);
    isStopping = true;
    setTimeout(() => fail('Kindred does not come to its end; stopping at once'), longestStop).unref();
    stop().then(() => process.exit(0), fail);
  };
  // From the start: the first process of a container is not ended by a signal that it does not listen to.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, end);
  const server = await startServer(loadConfig());
  stop = server.stop;
  greet(server.config);
}

function fail(error: unknown): never {
  console.error(error instanceof ConfigError ? error.message : error);
  process.exit(1);
}

if (import.meta.main) main().catch(fail);
