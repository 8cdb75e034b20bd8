// AVA starts all tests of a file at once. Tests that need an expensive resource take a place and keep it until all their
// teardowns have run.
import type { ExecutionContext } from 'ava';
import { createConcurrencyGate } from '../../src/lib/concurrency_gate.ts';
import { giveTime } from './until.ts';

/** Waits for one of `width` places and holds it for the rest of the test, whose timeout begins then. Call it once per test. */
export function limitConcurrency(width: number): (t: ExecutionContext) => Promise<void> {
  const gate = createConcurrencyGate(width);
  const holders = new WeakSet<ExecutionContext>();
  return async (t) => {
    if (holders.has(t)) return;
    holders.add(t);
    let isOver = false;
    let leave = () => {
      isOver = true;
    };
    // Registered before the wait: AVA accepts no teardown of a test that has ended meanwhile, and its place would be lost.
    t.teardown(() => leave());
    await new Promise<void>((entered, refused) => {
      void gate(async () => {
        if (isOver) return refused(new Error('the test ended before it had its place'));
        giveTime(t);
        const left = new Promise<void>((resolve) => {
          leave = resolve;
        });
        entered();
        await left;
      });
    });
  };
}
