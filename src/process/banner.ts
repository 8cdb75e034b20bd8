// What a process says of its life: where it listens and how it is set, that it stops and why. In development what to try.
import type { Config } from '../../config/index.ts';
import about from '../../package.json' with { type: 'json' };
import { type Log, logAtOnce } from '../lib/log.ts';
import { demo } from './demo_data.ts';

/**
 * Says that it listens: in development in words, with what to try first; elsewhere as a line of the log, whatever
 * `LOG_LEVEL` is. Programs that start a server wait for it.
 */
export function greet(log: Log, config: Config): void {
  if (config.env !== 'development') {
    logAtOnce(log, { ...life(config), ...brief(config) }, 'Kindred listens');
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

/** Wraps a stop so that the log has its beginning, with the reason, and its end. In development nobody asks. */
export function tellingOfStop(
  log: Log,
  config: Config,
  stop: () => Promise<void>,
): (why: string) => Promise<void> {
  if (config.env === 'development') return stop;
  return async (why) => {
    const begin = performance.now();
    logAtOnce(log, { ...life(config), why }, 'Kindred stops');
    await stop();
    logAtOnce(log, { ...life(config), ms: Math.round(performance.now() - begin) }, 'Kindred has stopped');
  };
}

// With WORKERS every line has the pid already.
function life({ workers }: Config): object {
  return { version: about.version, ...(workers > 1 ? {} : { pid: process.pid }) };
}

// The settings that people ask for first, and none that is secret.
function brief(config: Config): object {
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
