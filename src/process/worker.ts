// One of several workers (WORKERS): a server like any other, on the settings that its primary hands it.
import cluster from 'node:cluster';
import { inspect } from 'node:util';
import type { Config } from '../../config/index.ts';
import { watchProcess } from '../core/operations/gauges.ts';
import type { MetricsSnapshot } from '../lib/metrics.ts';
import { startWorker } from './run_server.ts';
import { asStartProblem, installSignalHandlers, StartProblem } from './shutdown.ts';
import type { Order, Report } from './worker_handle.ts';

// A terminal and systemd signal all processes at once. Then the primary has its say, which ends all in one order.
const pause = 500;

function main(): void {
  const shutdown = installSignalHandlers(pause);
  let server: Awaited<ReturnType<typeof startWorker>> | null = null;
  const serve = async (config: Config, hasMetrics: boolean) => {
    // The primary has both of these.
    server = await startWorker({ ...config, jobs: false, metrics: { ...config.metrics, port: 0 } });
    if (hasMetrics) watchProcess(server.deps);
    shutdown.ready(server.stop);
    report({ is: 'listening' });
  };
  process.on('message', (order: Order) => {
    if (order.do === 'serve') serve(order.config, order.hasMetrics).catch(failToServe(order.config));
    if (order.do === 'read_metrics') void server?.deps.metrics.read().then(reportFigures, () => {});
    if (order.do === 'stop_listening') {
      void Promise.resolve(server?.stopListening()).then(() => report({ is: 'closed' }));
    }
    if (order.do === 'stop') shutdown.end();
  });
  cluster.worker?.on('disconnect', () => {
    // Node would leave here at once; but what has been accepted is answered although the primary is gone.
    if (cluster.worker) cluster.worker.exitedAfterDisconnect = true;
    shutdown.end();
  });
  report({ is: 'started' });
}

function report(what: Report, sent: () => void = () => {}): void {
  process.send?.(what, undefined, undefined, sent);
}

function reportFigures(figures: MetricsSnapshot): void {
  report({ is: 'metrics', figures });
}

function failToServe(config: Config): (error: unknown) => void {
  return (error) => {
    const plain = asStartProblem(error, config);
    const why = plain instanceof StartProblem ? plain.message : inspect(error);
    report({ is: 'failed', why }, () => process.exit(1));
  };
}

main();
