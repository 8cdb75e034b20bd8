// The workers of a primary: starts as many as the settings say, replaces those that exit, collects their metrics, and
// stops them together.
import cluster from 'node:cluster';
import { fileURLToPath } from 'node:url';
import type { Config } from '../../config/index.ts';
import { addCounters, type ProcessMetrics } from '../lib/aggregate_metrics.ts';
import type { Log } from '../lib/log.ts';
import type { MetricsSnapshot } from '../lib/metrics.ts';
import { FatalError } from './shutdown.ts';
import { type Exit, forkWorker, type WorkerHandle } from './worker_handle.ts';

export interface WorkerPool {
  /** Returns when all workers listen; throws with the reason of the first that exits before. */
  start: () => Promise<void>;
  /** The metrics of each live worker, and the sum of the counters of those that have exited. */
  readMetrics: () => Promise<{ live: ProcessMetrics[]; exited: MetricsSnapshot }>;
  /** Returns when all have exited: whether each exited with 0. */
  stop: () => Promise<boolean>;
}

/** Milliseconds. A worker that exits sooner after it began to listen counts as short-lived. */
const shortLife = 2_000;

/** Milliseconds to wait before a replacement, by the number of short-lived workers in a row; after the last, give up. */
const pauses = [0, 0, 250, 500, 1_000, 2_000];

/** Keeps as many workers as `config` says; calls `giveUp` when too many in a row are short-lived. */
export function startWorkerPool(config: Config, log: Log, giveUp: (error: Error) => void): WorkerPool {
  setUpCluster();
  const live = new Map<number, WorkerHandle>();
  let exited = Promise.resolve<MetricsSnapshot>([]);
  let isKept = false;
  let shortLived = 0;
  const startOne = async (number: number): Promise<void> => {
    const worker = forkWorker(config, number);
    live.set(number, worker);
    void worker.exited.then((exit) => {
      live.delete(number);
      exited = exited.then((before) => addCounters(before, worker.lastMetrics()));
      if (isKept) replace(worker, exit);
    });
    await worker.listening;
  };
  const replace = (worker: WorkerHandle, exit: Exit) => {
    shortLived = worker.listenedFor() > shortLife ? 0 : shortLived + 1;
    const pause = pauses[shortLived];
    const { number, pid } = worker;
    if (pause === undefined) return giveUp(new FatalError(`workers exit as soon as they start: ${exit.why}`));
    log.error({ worker: number, worker_pid: pid, ...exit, pause }, 'a worker ended; another takes its place');
    // If this one fails to start, its exit reports why.
    setTimeout(() => isKept && startOne(number).catch(() => {}), pause);
  };
  return {
    async start() {
      await Promise.all(Array.from({ length: config.workers }, (_, index) => startOne(index + 1)));
      isKept = true;
    },
    async readMetrics() {
      const asked = [...live.values()];
      await Promise.all(asked.map((worker) => worker.requestMetrics()));
      // The counters of a worker that has exited meanwhile are in `exited`, and must not count twice.
      const stillLive = asked.filter(({ number, pid }) => live.get(number)?.pid === pid);
      return { live: stillLive.map(metricsOf), exited: await exited };
    },
    async stop() {
      isKept = false;
      const all = [...live.values()];
      // All stop listening first: a client that one worker disconnects must not connect to the next one.
      await Promise.all(all.map((worker) => worker.stopListening()));
      const exits = await Promise.all(all.map((worker) => worker.stop()));
      return exits.every(({ exit_code }) => exit_code === 0);
    },
  };
}

function metricsOf({ number, lastMetrics }: WorkerHandle): ProcessMetrics {
  return { name: `worker ${number}`, metrics: lastMetrics() };
}

function setUpCluster(): void {
  cluster.setupPrimary({
    exec: fileURLToPath(new URL('worker.ts', import.meta.url)),
    // JSON has no NaN, which a metric may be.
    serialization: 'advanced',
  });
  // However this process exits, no worker is left. After a kill -9 the workers notice and exit by themselves.
  process.on('exit', () => {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGKILL');
  });
}
