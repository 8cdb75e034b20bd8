// What runs beside the requests: logging and counting of audit events, metrics, traces and jobs.
import about from '../package.json' with { type: 'json' };
import { countEvents, logEvents } from './core/audit/audit_listeners.ts';
import type { Deps } from './core/deps.ts';
import { watchDatabase, watchProcess } from './core/operations/gauges.ts';
import { isPostgres } from './core/store/db.ts';
import { watchQueries } from './core/store/query_watch.ts';
import { serveMetrics } from './http/listener/metrics_server.ts';
import { startJobs } from './jobs.ts';
import type { Tracing } from './lib/tracing.ts';

export interface Operations {
  /** Null without `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  tracing: Tracing | null;
  /** Stops the jobs; a running one stops after its batch. A shutdown calls it first, because that takes time. */
  stopJobs: () => Promise<void>;
  close: () => Promise<void>;
}

/** Starts what the settings ask for. */
export async function startOperations(deps: Deps): Promise<Operations> {
  const { config, db, log, metrics } = deps;
  const metricsServer = await serveMetrics(deps);
  if (metricsServer) {
    metrics.setVersion(about.version);
    watchDatabase(deps);
    watchProcess(deps);
  }
  const unlisten = [logEvents(db, log), countEvents(db, metrics)];
  const tracing = config.tracesEndpoint ? await startTracing(deps, config.tracesEndpoint) : null;
  const jobs = config.jobs ? startJobs(deps) : null;
  return {
    tracing,
    stopJobs: async () => await jobs?.stop(),
    async close() {
      for (const stop of unlisten) stop();
      await metricsServer?.close();
      await tracing?.close();
    },
  };
}

/** Logs the warnings about the settings; the primary does it for all processes of a node. */
export function logConfigWarnings({ config, log }: Pick<Deps, 'config' | 'log'>): void {
  for (const warning of config.warnings) log.warn({ setting: warning.split(':')[0] }, warning);
}

// The SDK is large and reads the environment itself, so it is loaded only if traces are wanted.
async function startTracing({ db, log }: Deps, endpoint: string): Promise<Tracing> {
  const { openTracing } = await import('./lib/tracing.ts');
  const tracing = openTracing(endpoint, log);
  const system = isPostgres(db) ? 'postgresql' : 'sqlite';
  watchQueries(db, (query) => tracing.query(system, query));
  return tracing;
}
