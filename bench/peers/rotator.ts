// Rotates sessions by the server's statement and records them in the server's batch, without HTTP and without tokens, to
// measure the effect on the tables.

import { createAuditBatch } from '../../src/core/audit/audit_batch.ts';
import { type Caller, useRefreshToken } from '../../src/core/sessions/rotation.ts';
import { rotationRing } from '../../src/core/sessions/session_rotations.ts';
import { openDatabase } from '../../src/core/store/db.ts';
import { createLog } from '../../src/lib/log.ts';

/** What one message asks for. */
interface Task {
  /** How many rotations to make at most. */
  count: number;
  /** Seconds after which to stop. */
  seconds: number;
  /** Rotates each session to this generation, one after the other; without it random sessions. */
  upTo?: number;
}

interface Rotated {
  id: string;
  generation: number;
}

const { DATABASE_URL = '', PART, PARTS } = process.env;
const workers = 8;
const db = openDatabase(DATABASE_URL, { pool: workers });
const log = createLog({ level: 'error' });
const found = await db.raw('select id, generation from sessions order by id');
const own = (found.rows as Rotated[]).filter((_, n) => n % Number(PARTS) === Number(PART));
const source = {
  ip: '127.0.0.1',
  user_agent: 'ExampleApp/4.12.1 (iPhone; iOS 18.5; Scale/3.00)',
  request_id: null,
};

// No client asks, so nothing but the token is checked.
const anybody: Caller = { check: async () => {}, attempt: (advance) => advance() };

// Each worker has sessions of its own, so that no two rotate one session at the same time. Returns the rotations it made.
async function work(worker: number, { count, seconds, upTo }: Task): Promise<number> {
  const end = performance.now() + seconds * 1000;
  const mine = own.filter((_, n) => n % workers === worker);
  const batch = createAuditBatch(db, log, { rotations: rotationRing('ring') });
  let done = 0;
  for (; done < count && performance.now() < end; done += 1) {
    const session = upTo === undefined ? anyOf(mine) : mine.find((one) => one.generation < upTo);
    if (!session) break;
    session.generation = await rotateOnce(session);
    const detail = { generation: session.generation };
    batch.add({ type: 'refresh_token_rotated', session_id: session.id, detail, ...source });
  }
  await batch.close();
  return done;
}

function anyOf(sessions: Rotated[]): Rotated | undefined {
  return sessions[Math.floor(Math.random() * sessions.length)];
}

async function rotateOnce({ id, generation }: Rotated): Promise<number> {
  const presented = {
    session_id: id,
    generation,
    retry_window: 0,
    observe: false,
    raise_token_version: true,
    version: null,
    proof: null,
    source,
  };
  const rotation = await useRefreshToken(db, presented, anybody);
  if (rotation.outcome !== 'rotated') throw new Error(`a rotation had the outcome ${rotation.outcome}`);
  return rotation.generation;
}

process.on('message', async (task: Task) => {
  const share = Math.floor(task.count / workers);
  const done = await Promise.all(
    Array.from({ length: workers }, (_, worker) =>
      work(worker, { ...task, count: worker === 0 ? task.count - share * (workers - 1) : share }),
    ),
  );
  process.send?.({ done: done.reduce((sum, one) => sum + one, 0) });
});
process.once('disconnect', () => void db.destroy().finally(() => process.exit()));
process.send?.({ port: 0 });
