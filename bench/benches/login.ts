// Logins by password against the hashing alone: everything around it should vanish beside it.
import { once } from 'node:events';
import { readCpuTime } from '../cpu.ts';
import { figure } from '../figures.ts';
import type { Round } from '../generator/drive.ts';
import { client_id, connections, password, startPeer } from '../peers/index.ts';
import type { Found } from '../report.ts';
import { contestant, rateOf, takeTurns } from '../rounds.ts';
import type { Child, Stage } from '../stage.ts';

/** 16 clients log in; a process pinned like the server verifies the same password as often as it can. */
export async function benchLogin(stage: Stage): Promise<Found> {
  const kindred = await startPeer(stage, 'login', 'kindred');
  const hasher = await stage.serve('peers/argon2.ts', { PASSWORD: password });
  const usernames = Array.from({ length: connections }, (_, index) => `user-${index}`);
  const load = { kind: 'login', url: kindred.url, client_id, password, usernames } as const;
  await stage.generator.open('login', load, kindred.pid);
  const series = await takeTurns(stage, [
    contestant(stage, 'kindred', 'login'),
    { name: 'argon2id alone', drive: (seconds) => hashFor(hasher, seconds) },
  ]);
  const share = rateOf(series, 'kindred') / rateOf(series, 'argon2id alone');
  return { figures: [figure('password login against argon2id alone', share)], series };
}

async function hashFor({ process: child, pid }: Child, seconds: number): Promise<Round> {
  const before = await readCpuTime(pid);
  child.send({ seconds, parallel: connections });
  const [{ count, elapsed }] = (await once(child, 'message')) as [{ count: number; elapsed: number }];
  const after = await readCpuTime(pid);
  return {
    count,
    per_second: count / elapsed,
    p50: Number.NaN,
    p99: Number.NaN,
    cpu: before === null || after === null ? null : (1000 * (after - before)) / count,
    generator: 0,
  };
}
