// One worker as its primary sees it: fork it, send it orders, keep what it reports, wait for its exit.
import cluster, { type Worker } from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../../config/index.ts';
import type { MetricsSnapshot } from '../lib/metrics.ts';
import { FatalError } from './shutdown.ts';

/** What the primary sends. */
export type Order =
  | { do: 'serve'; config: Config; hasMetrics: boolean }
  | { do: 'read_metrics' }
  | { do: 'stop_listening' }
  | { do: 'stop' };

/** What a worker sends: that it has started, listens, no longer listens or failed to start; and its metrics. */
export type Report =
  | { is: 'started' }
  | { is: 'listening' }
  | { is: 'closed' }
  | { is: 'failed'; why: string }
  | { is: 'metrics'; metrics: MetricsSnapshot };

/** How a worker ended. The names are those of the log line. */
export interface Exit {
  exit_code: number | null;
  signal: string | null;
  /** A sentence. */
  why: string;
}

export interface WorkerHandle {
  /** From 1. A replacement gets the number of the worker that it replaces. */
  number: number;
  pid: number | undefined;
  /** Rejects when the worker exits before it has listened. */
  listening: Promise<void>;
  exited: Promise<Exit>;
  /** Milliseconds since it began to listen; negative infinity if it never did. */
  listenedFor: () => number;
  /** Asks for its metrics; returns when they have come, or after a time limit. */
  requestMetrics: () => Promise<void>;
  /** The metrics that it reported last. */
  lastMetrics: () => MetricsSnapshot;
  /** Returns when it no longer listens, or after a time limit. */
  stopListening: () => Promise<void>;
  stop: () => Promise<Exit>;
}

/** Milliseconds that a worker has to answer an order. */
const timeLimit = 3_000;

/** Forks a worker and orders it to serve. */
export function forkWorker(config: Config, number: number): WorkerHandle {
  const worker = cluster.fork();
  const reports = createReports();
  const send = (order: Order) => {
    // If the channel breaks, the worker exits, and its exit says so.
    if (worker.isConnected()) worker.send(order, undefined, () => {});
  };
  worker.on('error', () => {});
  worker.on('message', (report: Report) => {
    if (report.is === 'started') send({ do: 'serve', config, hasMetrics: config.metrics.port !== 0 });
    else reports.record(report);
  });
  const exited = waitForExit(worker, reports);
  const inTime = async (answer: Promise<void>) => {
    await Promise.race([answer, exited, sleep(timeLimit, undefined, { ref: false })]);
  };
  return {
    number,
    pid: worker.process.pid,
    listening: reports.listening.promise,
    exited,
    listenedFor: () => performance.now() - reports.listeningSince(),
    async requestMetrics() {
      const answer = reports.nextMetrics();
      send({ do: 'read_metrics' });
      await inTime(answer);
    },
    lastMetrics: reports.lastMetrics,
    async stopListening() {
      send({ do: 'stop_listening' });
      await inTime(reports.closed.promise);
    },
    async stop() {
      send({ do: 'stop' });
      return await exited;
    },
  };
}

/** Keeps what one worker has reported. */
function createReports() {
  const listening = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  let listeningSince = Number.POSITIVE_INFINITY;
  let failure: string | null = null;
  let metrics: MetricsSnapshot = [];
  let next: PromiseWithResolvers<void> | null = null;
  return {
    listening,
    closed,
    listeningSince: () => listeningSince,
    failure: () => failure,
    lastMetrics: () => metrics,
    nextMetrics: () => {
      next ??= Promise.withResolvers();
      return next.promise;
    },
    record(report: Report) {
      if (report.is === 'failed') failure = report.why;
      if (report.is === 'closed') closed.resolve();
      if (report.is === 'listening') {
        listeningSince = performance.now();
        listening.resolve();
      }
      if (report.is === 'metrics') {
        metrics = report.metrics;
        next?.resolve();
        next = null;
      }
    },
  };
}

function waitForExit(worker: Worker, reports: ReturnType<typeof createReports>): Promise<Exit> {
  return new Promise((resolve) => {
    worker.once('exit', (code: number | null, signal: string | null) => {
      const why = reports.failure() ?? `a worker ended with ${signal ?? code}`;
      reports.listening.reject(new FatalError(why));
      resolve({ exit_code: code, signal, why });
    });
  });
}
