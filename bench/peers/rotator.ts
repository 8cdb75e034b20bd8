// Rotates sessions by the server's statement, without HTTP and without tokens, to measure its effect on the table.

import { rotate } from '../../src/core/sessions/rotation.ts';
import { openDatabase } from '../../src/core/store/db.ts';

const { DATABASE_URL = '', PART, PARTS } = process.env;
const workers = 8;
const db = openDatabase(DATABASE_URL, { pool: workers });
const found = await db.raw('select id, generation from sessions order by id');
const own = (found.rows as { id: string; generation: number }[]).filter(
  (_, n) => n % Number(PARTS) === Number(PART),
);
const source = {
  ip: '127.0.0.1',
  user_agent: 'ExampleApp/4.12.1 (iPhone; iOS 18.5; Scale/3.00)',
  request_id: null,
};

// Each worker has sessions of its own, so that no two rotate one session at the same time. Returns the rotations until `end`.
async function work(worker: number, count: number, end: number): Promise<number> {
  const mine = own.filter((_, n) => n % workers === worker);
  let done = 0;
  for (; done < count && performance.now() < end; done += 1) {
    const session = mine[Math.floor(Math.random() * mine.length)];
    if (!session) break;
    const rotation = await rotate(db, {
      session_id: session.id,
      generation: session.generation,
      retry_window: 0,
      observe: false,
      raise_token_version: true,
      source,
    });
    if (rotation.outcome !== 'rotated') throw new Error(`a rotation had the outcome ${rotation.outcome}`);
    session.generation = rotation.generation;
  }
  return done;
}

process.once('message', async ({ count, seconds }: { count: number; seconds: number }) => {
  const share = Math.floor(count / workers);
  const end = performance.now() + seconds * 1000;
  const done = await Promise.all(
    Array.from({ length: workers }, (_, worker) =>
      work(worker, worker === 0 ? count - share * (workers - 1) : share, end),
    ),
  );
  process.send?.({ done: done.reduce((sum, one) => sum + one, 0) });
});
process.once('disconnect', () => void db.destroy().finally(() => process.exit()));
process.send?.({ port: 0 });
