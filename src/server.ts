// The process: settings, database, app, listen, and an orderly end.
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Config, ConfigError, loadConfig, withPort } from '../config/index.ts';
import { createApp } from './app.ts';
import { migrate } from './core/migrate.ts';
import { openServices } from './core/services.ts';
import { demo, seedDemo } from './demo_data.ts';

/** How long requests in flight may take to finish once the process was told to stop, milliseconds. */
const drainTime = 10_000;

export interface RunningServer {
  config: Config;
  /** Stops accepting, lets what is in flight finish, writes what waits, closes. */
  stop: () => Promise<void>;
}

/** Starts a server: migrates, opens everything, listens. `PORT=0` takes a free port, which `config` then has. */
export async function startServer(settings: Config): Promise<RunningServer> {
  await migrate(settings.databaseUrl);
  let answer: RequestListener = (_request, response) => response.writeHead(503, { 'Retry-After': '1' }).end();
  const server = createServer((request, response) => answer(request, response));
  const config = withPort(settings, await listen(server, settings));
  const services = await openServices(config);
  if (config.env === 'development') await seedDemo(services.db);
  answer = createApp(services).callback();
  return {
    config,
    async stop() {
      await drain(server);
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

async function drain(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), drainTime);
  await closed;
  clearTimeout(timer);
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
  const { config, stop } = await startServer(loadConfig());
  greet(config);
  let stopping = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stopping) process.exit(1);
      stopping = true;
      stop().then(
        () => process.exit(0),
        (error) => fail(error),
      );
    });
  }
}

function fail(error: unknown): never {
  console.error(error instanceof ConfigError ? error.message : error);
  process.exit(1);
}

if (import.meta.main) main().catch(fail);
