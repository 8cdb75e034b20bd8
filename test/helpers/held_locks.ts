// Races on Postgres without chance: one side holds its locks until the other waits for them.
import type { Knex } from 'knex';
import { rows } from '../../src/core/store/db.ts';
import { until } from './until.ts';

/** Waits until `count` statements on this database wait for a lock. */
export async function untilOneWaits(db: Knex, count = 1): Promise<void> {
  await until(async () => {
    const waiting = await rows(
      db,
      "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
    );
    return waiting.length >= count;
  }, `${count} statements wait for a lock`);
}

/** Does `first` in a transaction that commits once `second` waits for it; returns what `second` returns. */
export async function commitBetween<Result>(
  db: Knex,
  first: (tx: Knex.Transaction) => Promise<unknown>,
  second: () => Promise<Result>,
): Promise<Result> {
  const holding = await db.transaction();
  try {
    await first(holding);
    const late = second();
    // Its error is that of the last line.
    late.catch(() => {});
    await untilOneWaits(db);
    await holding.commit();
    return await late;
  } finally {
    if (!holding.isCompleted()) await holding.rollback();
  }
}
