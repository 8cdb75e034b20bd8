// The program of a worker (WORKERS): runs a server with the settings that its primary sends, and follows its orders.
import cluster from 'node:cluster';
import { inspect } from 'node:util';
import type { Config } from '../../config/index.ts';
import { watchProcess } from '../core/operations/gauges.ts';
import { startWorker } from './run_server.ts';
import { FatalError, installSignalHandlers, toFatalError } from './shutdown.ts';
import type { Order, Report } from './worker_handle.ts';

// Milliseconds. A terminal and systemd signal all processes at once; the pause lets the primary stop the workers in order.
const pause = 500;

function main(): void {
  const shutdown = installSignalHandlers(pause);
  let server: Awaited<ReturnType<typeof startWorker>> | null = null;
  const serve = async (config: Config, hasMetrics: boolean) => {
    // The primary runs the jobs and serves the metrics.
    server = await startWorker({ ...config, jobs: false, metrics: { ...config.metrics, port: 0 } });
    if (hasMetrics) watchProcess(server.deps);
    shutdown.onStop(server.stop);
    report({ is: 'listening' });
  };
  process.on('message', (order: Order) => {
    if (order.do === 'serve') serve(order.config, order.hasMetrics).catch(reportFailure(order.config));
    if (order.do === 'read_metrics') {
      void server?.deps.metrics.read().then(
        (metrics) => report({ is: 'metrics', metrics }),
        () => {},
      );
    }
    if (order.do === 'stop_listening') {
      void Promise.resolve(server?.stopListening()).then(() => report({ is: 'closed' }));
    }
    if (order.do === 'stop') shutdown.start();
  });
  cluster.worker?.on('disconnect', () => {
    // The primary is gone. Node would exit at once; accepted requests are answered first.
    if (cluster.worker) cluster.worker.exitedAfterDisconnect = true;
    shutdown.start();
  });
  report({ is: 'started' });
}

function report(what: Report, sent: () => void = () => {}): void {
  process.send?.(what, undefined, undefined, sent);
}

function reportFailure(config: Config): (error: unknown) => void {
  return (error) => {
    const fatal = toFatalError(error, config);
    const why = fatal instanceof FatalError ? fatal.message : inspect(error);
    report({ is: 'failed', why }, () => process.exit(1));
  };
}

main();
