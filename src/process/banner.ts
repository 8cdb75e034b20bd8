// What a process reports about itself: that it listens, with its settings, and that it stops and why. In development the
// commands to try first.
import type { Config } from '../../config/index.ts';
import about from '../../package.json' with { type: 'json' };
import { type Log, logAtOnce } from '../lib/log.ts';
import { demo } from './demo_data.ts';

/**
 * Reports that the server listens: in development as text, with commands to try; elsewhere as a log line, whatever
 * `LOG_LEVEL` is. Programs that start a server wait for this line.
 */
export function printBanner(log: Log, config: Config): void {
  if (config.env !== 'development') {
    logAtOnce(log, { ...identity(config), ...publicSettings(config) }, 'Kindred listens');
    return;
  }
  const { issuer } = config;
  const field = (name: string) => `"$(printf %s "$TOKENS" | sed -E 's/.*"${name}":"([^"]+)".*/\\1/')"`;
  console.log(`Kindred listens; issuer ${issuer}

  1. log in:    TOKENS=$(curl -s ${issuer}/token -d grant_type=password -d client_id=${demo.app} -d username=${demo.username} -d 'password=${demo.password}' -d device_name=laptop -d device_id=laptop); echo "$TOKENS"

  2. refresh:   TOKENS=$(curl -s ${issuer}/token -d grant_type=refresh_token -d client_id=${demo.app} -d refresh_token=${field('refresh_token')}); echo "$TOKENS"

  3. sessions:  curl -s ${issuer}/api/sessions -H "Authorization: Bearer "${field('access_token')}

"npm run demo" walks through what happens when a token is stolen. The API is described at ${issuer}/api/openapi.json
`);
}

/** Wraps `stop` so that the log gets a line when it begins, with the reason, and one when it is done; not in development. */
export function withStopLog(
  log: Log,
  config: Config,
  stop: () => Promise<void>,
): (why: string) => Promise<void> {
  if (config.env === 'development') return stop;
  return async (why) => {
    const begin = performance.now();
    logAtOnce(log, { ...identity(config), why }, 'Kindred stops');
    await stop();
    logAtOnce(log, { ...identity(config), ms: Math.round(performance.now() - begin) }, 'Kindred has stopped');
  };
}

// With WORKERS every log line has the pid already.
function identity({ workers }: Config): object {
  return { version: about.version, ...(workers > 1 ? {} : { pid: process.pid }) };
}

// The settings that matter most for support, and none that is secret.
function publicSettings(config: Config): object {
  const { issuer, host, port, env, workers, jobs, metrics, rateLimits, trustProxy } = config;
  return {
    issuer,
    host,
    port,
    metrics_port: metrics.port,
    env,
    node: process.version,
    database: config.databaseUrl.startsWith('sqlite:') ? 'sqlite' : 'postgres',
    rate_limits: rateLimits.store.startsWith('redis') ? 'redis' : rateLimits.store,
    trust_proxy: trustProxy.hops > 0 || trustProxy.addresses.length > 0,
    workers,
    jobs,
  };
}
