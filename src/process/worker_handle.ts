// One worker as its primary sees it: forked, told what to do, heard, outlived.
import cluster from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../../config/index.ts';
import type { MetricsSnapshot } from '../lib/metrics.ts';
import { StartProblem } from './shutdown.ts';

/** What a worker is told. */
export type Order =
  | { do: 'serve'; config: Config; hasMetrics: boolean }
  | { do: 'read_metrics' }
  | { do: 'stop_listening' }
  | { do: 'stop' };

/** What a worker tells: that it has been born, that it listens, no more or not at all, what it has counted. */
export type Report =
  | { is: 'started' }
  | { is: 'listening' }
  | { is: 'closed' }
  | { is: 'failed'; why: string }
  | { is: 'metrics'; figures: MetricsSnapshot };

/** How a worker ended. */
export interface Exit {
  exit_code: number | null;
  signal: string | null;
  /** In words. */
  why: string;
}

export interface WorkerHandle {
  /** From 1; whoever takes the place of a dead one takes its number. */
  number: number;
  pid: number | undefined;
  /** Rejects when it ends without ever having listened. */
  listening: Promise<void>;
  exited: Promise<Exit>;
  /** Milliseconds up to now. */
  listenedFor: () => number;
  /** Returns when it has told its figures, or has had the time to. */
  askFigures: () => Promise<void>;
  lastFigures: () => MetricsSnapshot;
  /** Returns when it listens no more, or has had the time to. */
  stopListening: () => Promise<void>;
  stop: () => Promise<Exit>;
}

/** Milliseconds for a worker to answer; then what it told last is good enough. */
const patience = 3_000;

/** Forks a worker and has it serve. */
export function forkWorker(config: Config, number: number): WorkerHandle {
  const worker = cluster.fork();
  const listening = Promise.withResolvers<void>();
  let since = Number.POSITIVE_INFINITY;
  let failure: string | null = null;
  let figures: MetricsSnapshot = [];
  const deaf = Promise.withResolvers<void>();
  let asked: PromiseWithResolvers<void> | null = null;
  const tell = (order: Order) => {
    // A channel that breaks is told of by the end of the worker.
    if (worker.isConnected()) worker.send(order, undefined, () => {});
  };
  worker.on('error', () => {});
  worker.on('message', (report: Report) => {
    if (report.is === 'started') tell({ do: 'serve', config, hasMetrics: config.metrics.port !== 0 });
    if (report.is === 'failed') failure = report.why;
    if (report.is === 'closed') deaf.resolve();
    if (report.is === 'listening') {
      since = performance.now();
      listening.resolve();
    }
    if (report.is === 'metrics') {
      figures = report.figures;
      asked?.resolve();
      asked = null;
    }
  });
  const exited = new Promise<Exit>((resolve) => {
    worker.once('exit', (code: number | null, signal: string | null) => {
      const why = failure ?? `a worker ended with ${signal ?? code}`;
      listening.reject(new StartProblem(why));
      resolve({ exit_code: code, signal, why });
    });
  });
  const inTime = async (answer: Promise<void>) => {
    await Promise.race([answer, exited, sleep(patience, undefined, { ref: false })]);
  };
  return {
    number,
    pid: worker.process.pid,
    listening: listening.promise,
    exited,
    listenedFor: () => performance.now() - since,
    async askFigures() {
      asked ??= Promise.withResolvers();
      tell({ do: 'read_metrics' });
      await inTime(asked.promise);
    },
    lastFigures: () => figures,
    async stopListening() {
      tell({ do: 'stop_listening' });
      await inTime(deaf.promise);
    },
    async stop() {
      tell({ do: 'stop' });
      return await exited;
    },
  };
}
