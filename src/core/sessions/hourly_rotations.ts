// How many rotations each of the last hours had, for the statistics. A row is overwritten after two days.
import type { AuditEvent } from '../audit/audit_events.ts';
import { declareColumns, json, type Table } from '../store/columns.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { localCommitTable } from '../store/local_commit.ts';
import { statement } from '../store/statements.ts';

/** A row of `hourly_rotations`. */
export interface HourlyRotations {
  /** The number of the hour since 1970, modulo {@link keptHours}. */
  slot: number;
  /** When the hour began. */
  hour: Date;
  rotations: number;
}

declare module 'knex/types/tables.js' {
  interface Tables {
    hourly_rotations: Table<HourlyRotations>;
  }
}

declareColumns('hourly_rotations', { hour: 'time' });

const keptHours = 48;
const milliseconds = 3_600_000;

const addCounts = statement(
  { name: 'count_rotations', alone: true, commit: 'local' },
  (db) => `
  insert into hourly_rotations as h (slot, hour, rotations)
  select slot, hour, rotations from ${countsSql(db)} where rotations > 0 order by slot
  on conflict (slot) do update set hour = excluded.hour,
    rotations = excluded.rotations + case when h.hour = excluded.hour then h.rotations else 0 end
  where excluded.hour >= h.hour`,
);

function countsSql(db: Db): string {
  if (isPostgres(db))
    return `json_to_recordset(cast(:counts as json)) as c (slot smallint, hour timestamptz, rotations bigint)${localCommitTable(db)}`;
  return "(select value->>'slot' as slot, value->>'hour' as hour, value->>'rotations' as rotations from json_each(:counts)) as c";
}

/** Counts events of rotations by the hour in which they happened. An answer that is lost and repeated counts twice. */
export async function countRotations(db: Db, rotations: AuditEvent[]): Promise<void> {
  const counts = new Map<number, number>();
  for (const { created_at } of rotations) {
    const number = Math.floor(created_at.getTime() / milliseconds);
    counts.set(number, (counts.get(number) ?? 0) + 1);
  }
  // Of two hours with the same slot, which only a clock that was set can cause, the later one.
  const bySlot = new Map(
    [...counts].toSorted(([a], [b]) => a - b).map(([number, n]) => [number % keptHours, { number, n }]),
  );
  const stored = [...bySlot].map(([slot, { number, n }]) => {
    const hour = number * milliseconds;
    return { slot, hour: isPostgres(db) ? new Date(hour) : hour, rotations: n };
  });
  if (stored.length > 0) await addCounts(db, { counts: json(stored) });
}

/** How many rotations were counted in each of these hours, which are full hours of the last two days. */
export async function listHourlyRotations(db: Db, starts: Date[]): Promise<number[]> {
  const found = await rows<{ hour: Date; rotations: number }>(
    db,
    'select hour, rotations from hourly_rotations',
    {},
    { hour: 'time' },
  );
  const known = new Map(found.map(({ hour, rotations }) => [hour.getTime(), Number(rotations)]));
  return starts.map((start) => known.get(start.getTime()) ?? 0);
}
