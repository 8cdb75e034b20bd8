// How a process of Kindred ends: on a signal, on an order of its primary or on an error, within a time limit, and with
// which exit code. Also the errors that end it.
import { type Config, ConfigError } from '../../config/index.ts';
import { describeStartProblem } from '../core/operations/start_problems.ts';

/** Milliseconds that a stop may take; after that the process exits with 1. */
const longestStop = 15_000;

/** An error that ends the process. Its message tells the operator everything, so it is printed without a stack trace. */
export class FatalError extends Error {}

type Stop = (why: string) => Promise<void>;

export interface Shutdown {
  /**
   * Sets what a shutdown calls, with the reason (a signal, an order, an error). Until then nothing has been accepted, and
   * a shutdown exits at once.
   */
  onStop: (stop: Stop) => void;
  /** Starts the shutdown: exit code 0, or 1 after an error, which is printed first. A second call does nothing. */
  start: (error?: unknown) => void;
}

/**
 * Shuts this process down on the first SIGTERM or SIGINT, and exits at once on the second. The first takes effect after
 * `pause` milliseconds, in which another order may come first. Call it before anything else: Linux ignores a signal to
 * the first process of a container if the process has no handler for it.
 */
export function installSignalHandlers(pause = 0): Shutdown {
  let stop: Stop | null = null;
  let isStopping = false;
  let signals = 0;
  const start = (error?: unknown, why = error === undefined ? 'order' : 'error') => {
    if (isStopping) return;
    isStopping = true;
    if (error !== undefined) print(error);
    const code = error === undefined ? 0 : 1;
    if (!stop) process.exit(code);
    setTimeout(
      () => fail(`Kindred did not stop within ${longestStop / 1000} s; exiting`),
      longestStop,
    ).unref();
    stop(why).then(() => process.exit(code), fail);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      signals += 1;
      if (signals > 1) process.exit(1);
      if (pause === 0) start(undefined, signal);
      else setTimeout(start, pause, undefined, signal);
    });
  }
  return {
    onStop: (given) => {
      stop = given;
    },
    start: (error) => start(error),
  };
}

/** A FatalError with a sentence for the operator, if there is one for this error; else the error itself. */
export function toFatalError(error: unknown, config: Config): unknown {
  const sentence = describeStartProblem(error, config);
  return sentence === null ? error : new FatalError(sentence, { cause: error });
}

/** Prints an error and exits with 1. */
export function fail(error: unknown): never {
  print(error);
  process.exit(1);
}

function print(error: unknown): void {
  console.error(error instanceof ConfigError || error instanceof FatalError ? error.message : error);
}
