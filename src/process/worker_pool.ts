// The workers of a primary: as many as the settings say, replaced when they die, added up, ended together.
import cluster from 'node:cluster';
import { fileURLToPath } from 'node:url';
import type { Config } from '../../config/index.ts';
import { addCounters, type ProcessMetrics } from '../lib/aggregate_metrics.ts';
import type { Log } from '../lib/log.ts';
import type { MetricsSnapshot } from '../lib/metrics.ts';
import { StartProblem } from './shutdown.ts';
import { type Exit, forkWorker, type WorkerHandle } from './worker_handle.ts';

export interface WorkerPool {
  /** Returns when all listen; throws what the first died of that does not come so far. */
  start: () => Promise<void>;
  readMetrics: () => Promise<{ parts: ProcessMetrics[]; ended: MetricsSnapshot }>;
  /** Returns when all have ended, and whether each did so in order. */
  stop: () => Promise<boolean>;
}

/** Milliseconds that a worker must have listened for its death to be an accident and not its nature. */
const shortLife = 2_000;

/** Milliseconds before another is forked, by how many in a row were short-lived; after the last, no more. */
const pauses = [0, 0, 250, 500, 1_000, 2_000];

/** Keeps as many workers as `config` says; `giveUp` is told when they die as soon as they are forked. */
export function startWorkerPool(config: Config, log: Log, giveUp: (error: Error) => void): WorkerPool {
  setUp();
  const living = new Map<number, WorkerHandle>();
  let ended = Promise.resolve<MetricsSnapshot>([]);
  let isKept = false;
  let shortLived = 0;
  const begin = async (number: number): Promise<void> => {
    const worker = forkWorker(config, number);
    living.set(number, worker);
    void worker.exited.then((exit) => {
      living.delete(number);
      ended = ended.then((before) => addCounters(before, worker.lastFigures()));
      if (isKept) replace(worker, exit);
    });
    await worker.listening;
  };
  const replace = (worker: WorkerHandle, exit: Exit) => {
    shortLived = worker.listenedFor() > shortLife ? 0 : shortLived + 1;
    const pause = pauses[shortLived];
    const { number, pid } = worker;
    if (pause === undefined) return giveUp(new StartProblem(`workers die at once: ${exit.why}`));
    log.error({ worker: number, worker_pid: pid, ...exit, pause }, 'a worker ended; another takes its place');
    // What this one may die of, its own end tells.
    setTimeout(() => isKept && begin(number).catch(() => {}), pause);
  };
  return {
    async start() {
      await Promise.all(Array.from({ length: config.workers }, (_, index) => begin(index + 1)));
      isKept = true;
    },
    async readMetrics() {
      const asked = [...living.values()];
      await Promise.all(asked.map((worker) => worker.askFigures()));
      // Who has died meanwhile stands among the ended, and must not count twice.
      const parts = asked.filter(({ number, pid }) => living.get(number)?.pid === pid).map(partOf);
      return { parts, ended: await ended };
    },
    async stop() {
      isKept = false;
      const all = [...living.values()];
      // All of them first, or a client that one of them lets go would be lost in the queue of the next.
      await Promise.all(all.map((worker) => worker.stopListening()));
      const exits = await Promise.all(all.map((worker) => worker.stop()));
      return exits.every(({ exit_code }) => exit_code === 0);
    },
  };
}

function partOf({ number, lastFigures }: WorkerHandle): ProcessMetrics {
  return { name: `worker ${number}`, figures: lastFigures() };
}

function setUp(): void {
  cluster.setupPrimary({
    exec: fileURLToPath(new URL('worker.ts', import.meta.url)),
    // JSON has no NaN, and figures may be that.
    serialization: 'advanced',
  });
  // However this process ends, nobody stays behind. Only a kill -9 leaves workers, and those end by themselves.
  process.on('exit', () => {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGKILL');
  });
}
