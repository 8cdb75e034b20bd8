// How a process of ours ends: by signals or by order, in time, and with which exit code.
import { type Config, ConfigError } from '../../config/index.ts';
import { describeStartProblem } from '../core/operations/problems.ts';

/** Milliseconds after which a process that was told to stop and still has not is beyond help. */
const longestStop = 15_000;

/** An error whose message says all that there is to say. */
export class StartProblem extends Error {}

export interface Shutdown {
  /**
   * From now on an end means this, told why (a signal, an order, an error); before, nothing has been accepted yet and the
   * process just goes.
   */
  ready: (stop: (why: string) => Promise<void>) => void;
  /** Ends in order: exit code 0, or 1 after an error, which is told first. Once more changes nothing. */
  end: (error?: unknown) => void;
}

/**
 * Ends this process in order on the first signal, and on the second at once: whoever asks has waited long enough.
 * The first takes effect after `pause` milliseconds, in which somebody else may begin the end.
 * To be called first of all: the first process of a container is not ended by a signal that it does not listen to.
 */
export function installSignalHandlers(pause = 0): Shutdown {
  let stop: ((why: string) => Promise<void>) | null = null;
  let isEnding = false;
  let signals = 0;
  const end = (error?: unknown, why = error === undefined ? 'order' : 'error') => {
    if (isEnding) return;
    isEnding = true;
    if (error !== undefined) tell(error);
    const code = error === undefined ? 0 : 1;
    if (!stop) process.exit(code);
    setTimeout(() => fail('Kindred does not come to its end; stopping at once'), longestStop).unref();
    stop(why).then(() => process.exit(code), fail);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      signals += 1;
      if (signals > 1) process.exit(1);
      if (pause === 0) end(undefined, signal);
      else setTimeout(end, pause, undefined, signal);
    });
  }
  return {
    ready: (given) => {
      stop = given;
    },
    end: (error) => end(error),
  };
}

/** An error as its sentence for the operator, where there is one; else as it is. */
export function asStartProblem(error: unknown, config: Config): unknown {
  const sentence = describeStartProblem(error, config);
  return sentence === null ? error : new StartProblem(sentence, { cause: error });
}

/** Tells what went wrong and ends the process with 1. */
export function fail(error: unknown): never {
  tell(error);
  process.exit(1);
}

function tell(error: unknown): void {
  console.error(error instanceof ConfigError || error instanceof StartProblem ? error.message : error);
}
