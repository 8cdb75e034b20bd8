// How tests wait: for a condition, never for a fixed time. A slow machine only makes a test slower.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';

/**
 * Milliseconds for one test between two assertions, once it has its place among the others of its file. Alone on a machine no
 * test needs a tenth of it; the limit makes a test that hangs fail under its name.
 */
const patience = 300_000;

/** Milliseconds for one condition: less than for a test, so that the message names the condition that never held. */
const longestWait = 240_000;

/** Milliseconds between two checks. */
const pause = 20;

type Falsy = false | 0 | '' | null | undefined;

/** Waits until `condition` returns a value, and returns it. `what` completes "waited in vain: …". */
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

/** Waits until `probe` fails, as a request does once the server has stopped listening; returns the error. */
export async function untilItFails(probe: () => Promise<unknown>, what?: string): Promise<Error> {
  const failure = () =>
    probe().then(
      () => null,
      (error: Error) => error,
    );
  return await until(failure, what ?? `it fails: ${probe}`);
}

/** Waits until a time (milliseconds, as `Date.now()`), for what only the passing of time ends. */
export async function untilTime(moment: number): Promise<void> {
  while (Date.now() < moment) await sleep(moment - Date.now());
}

/** Restarts the timeout of a test that has got its place; `times` multiplies it. */
export function giveTime(t: ExecutionContext, times = 1): void {
  t.timeout(patience * times);
}
