// Waiting for something that no event tells.
import { setTimeout as sleep } from 'node:timers/promises';

/** Returns once `isSo` says yes; asks every few milliseconds. The test's own time limit ends a wait in vain. */
export async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isSo())) await sleep(20);
}
