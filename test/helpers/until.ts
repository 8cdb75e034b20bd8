// How tests wait: for a condition, never for a while. A slow machine makes a test slow and nothing else.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';

/**
 * Milliseconds for one test between two of its assertions, once it has its place among the others of its file. No test
 * needs a tenth of it alone on a machine; it is there so that a test that hangs fails by its name.
 */
const patience = 300_000;

/** Milliseconds for one condition: less than for a test, so that the message says which condition never came. */
const longestWait = 240_000;

/** Milliseconds between two looks. */
const pause = 20;

type Falsy = false | 0 | '' | null | undefined;

/** Waits until `condition` gives something, and gives that back. `what` completes "waited in vain: …". */
export async function until<Found>(
  condition: () => Found | Promise<Found>,
  what = String(condition),
): Promise<Exclude<Found, Falsy>> {
  const deadline = performance.now() + longestWait;
  for (;;) {
    const found = await condition();
    if (found) return found as Exclude<Found, Falsy>;
    if (performance.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await sleep(pause);
  }
}

/** Waits until `probe` fails, as a request does once the server has stopped listening, and gives the error. */
export async function untilItFails(probe: () => Promise<unknown>, what?: string): Promise<Error> {
  const failure = () =>
    probe().then(
      () => null,
      (error: Error) => error,
    );
  return await until(failure, what ?? `it fails: ${probe}`);
}

/** Waits until the clock shows a moment (milliseconds, as `Date.now()`): for what ends at a time and by nothing else. */
export async function untilTime(moment: number): Promise<void> {
  while (Date.now() < moment) await sleep(moment - Date.now());
}

/** Gives the test its time from now on, to be called once it has its place; `times` as long for one that needs it. */
export function giveTime(t: ExecutionContext, times = 1): void {
  t.timeout(patience * times);
}
