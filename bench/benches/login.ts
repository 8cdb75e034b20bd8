// Logins by password against the hashing alone: the work around the hash should be negligible.

import type { Round } from '../generator/drive.ts';
import { figure } from '../harness/figures.ts';
import type { Found } from '../harness/report.ts';
import { compare, contestant, takeTurns } from '../harness/rounds.ts';
import { askChild, type Child, type Stage } from '../harness/stage.ts';
import { readCpuTime } from '../machine/cpu.ts';
import { startPeer } from '../peers/index.ts';
import { client_id, connections, password } from '../peers/parties.ts';

/**
 * Logins before the first round, about half a minute. V8 compiles code that runs often. At forty logins a second a round
 * would be measured during compilation; a warm-up of refreshes has thousands of requests.
 */
const warming = 1_500;

/** 16 clients log in; in turns with them, a process pinned like the server verifies the same password without a pause. */
export async function benchLogin(stage: Stage): Promise<Found> {
  const kindred = await startPeer(stage, 'login', 'kindred');
  const hasher = await stage.serve('peers/argon2.ts', { PASSWORD: password });
  const usernames = Array.from({ length: connections }, (_, index) => `user-${index}`);
  const load = { kind: 'login', url: kindred.url, client_id, password, usernames } as const;
  await stage.generator.open('login', load, kindred.pid);
  await stage.generator.drive('login', { count: warming });
  const series = await takeTurns(stage, [
    contestant(stage, 'kindred', 'login'),
    { name: 'argon2id alone', drive: (seconds) => hashFor(hasher, seconds) },
  ]);
  const { rate, note } = compare(series, 'kindred', 'argon2id alone');
  return { figures: [figure('password login against argon2id alone', rate, note)], series };
}

/** A round in which a process hashes passwords and does nothing else. */
export async function hashFor(child: Child, seconds: number): Promise<Round> {
  const before = await readCpuTime(child.pid);
  const order = { seconds, parallel: connections };
  const { count, elapsed } = await askChild<{ count: number; elapsed: number }>(child, order);
  const after = await readCpuTime(child.pid);
  return {
    count,
    per_second: count / elapsed,
    p50: Number.NaN,
    p99: Number.NaN,
    cpu: before === null || after === null ? null : (1000 * (after - before)) / count,
    postgres: null,
    generator: 0,
    beside: null,
  };
}
