// Checks of the doctor on storage: rows that should have been removed, dead rows and vacuum on Postgres, size and growth.
import type { Knex } from 'knex';
import type { Config } from '../../../config/index.ts';
import { formatBytes, formatCount, formatNumberOf } from '../../lib/format.ts';
import { countLiveSessions } from '../statistics/count_statistics.ts';
import {
  countNew,
  isSweepOverdue,
  readSize,
  readTables,
  readUpdateStats,
  type TableFacts,
} from '../store/database_facts.ts';
import { readClock } from '../store/sql_time.ts';
import type { Finding } from './finding.ts';

/** Checks that the sweep runs. */
export async function checkSweep(db: Knex): Promise<Finding> {
  const check = 'sweep';
  const isOverdue = await isSweepOverdue(db, await readClock(db));
  if (!isOverdue) return { check, state: 'good', text: 'no row is overdue for removal' };
  const advice =
    'check that a server runs with JOBS=true and what its log says about the sweep, or run: kindred sweep';
  return { check, state: 'wrong', text: 'expired rows have been overdue for removal for days', advice };
}

/** Checks how Postgres handles the updates that rotations cause; nothing on SQLite. */
export async function checkUpdates(db: Knex): Promise<Finding[]> {
  const found = await readUpdateStats(db);
  if (!found) return [];
  const ratio = found.updates > 0 ? found.hot_updates / found.updates : 1;
  const isCold = found.updates > 10_000 && ratio < 0.9;
  const share = found.dead_rows / Math.max(1, found.live_rows + found.dead_rows);
  const isBloated = found.dead_rows > 50_000 && share > 0.3;
  const minutes = Math.round(found.oldest_transaction / 60);
  return [
    {
      check: 'heap-only updates',
      state: isCold ? 'note' : 'good',
      text:
        found.updates > 0
          ? `${(ratio * 100).toFixed(1)} % of ${formatCount(found.updates)} updates of sessions were heap-only`
          : 'no session has been updated yet',
      ...(isCold
        ? { advice: 'check for an index on a column that rotations write, and for a fillfactor above 85' }
        : {}),
      data: { updates: found.updates, hot_ratio: ratio },
    },
    {
      check: 'autovacuum',
      state: !found.is_autovacuum_on ? 'wrong' : isBloated || minutes >= 60 ? 'note' : 'good',
      text: `${formatCount(found.dead_rows)} dead rows beside ${formatCount(found.live_rows)} sessions; the oldest transaction is ${minutes} min old`,
      ...vacuumAdvice(found.is_autovacuum_on, isBloated, minutes),
      data: found,
    },
  ];
}

function vacuumAdvice(isOn: boolean, isBloated: boolean, minutes: number): { advice?: string } {
  if (!isOn) return { advice: 'turn autovacuum on: every rotation leaves a dead row' };
  if (minutes >= 60)
    return { advice: 'end long transactions: rows that died after one of them began cannot be removed' };
  return isBloated
    ? {
        advice: 'vacuum more often: alter table sessions set (autovacuum_vacuum_scale_factor = 0.05)',
      }
    : {};
}

/** Reports the size of the database, and its growth in a month at the rate of the last day. */
export async function checkGrowth(db: Knex, config: Config): Promise<Finding[]> {
  const now = await readClock(db);
  const [tables, size] = [await readTables(db), await readSize(db)];
  const [opened, events] = [await countNew(db, 'sessions', now), await countNew(db, 'audit_events', now)];
  const live = await countLiveSessions(db);
  const month = {
    sessions: opened * 30,
    events: events * 30,
    bytes: projectBytes(tables, size, opened, events),
  };
  const kept = Math.round((events * config.auditRetention) / 86_400);
  return [
    {
      check: 'size',
      state: 'good',
      text: `${formatBytes(size)}; ${tables
        .slice(0, 3)
        .map((table) => `${table.name} ${formatCount(table.rows)}`)
        .join(', ')}; ${formatNumberOf(live, 'live session')}`,
      data: { bytes: size, live_sessions: live, tables },
    },
    {
      check: 'a month from now',
      state: 'good',
      text: `at the rate of the last day ${formatCount(month.sessions)} more logins, ${formatCount(month.events)} more events, about ${formatBytes(month.bytes)} more; the retention keeps ${formatCount(kept)} events`,
      data: { ...month, events_kept: kept },
    },
  ];
}

// An upper bound: a month of new sessions, with the rings of their rotations, and of events at their average size, although
// some are removed within the month.
function projectBytes(tables: TableFacts[], size: number, opened: number, events: number): number {
  const all = tables.reduce((sum, table) => sum + table.rows, 0);
  const find = (name: string) => tables.find((one) => one.name === name);
  const averageSize = (name: string) => {
    const table = find(name);
    if (table?.bytes && table.rows > 0) return table.bytes / table.rows;
    return all > 0 ? Math.min(2_000, size / all) : 0;
  };
  const sessions = find('sessions')?.rows ?? 0;
  const rings = sessions > 0 ? (find('session_rotations')?.bytes ?? 0) / sessions : 0;
  return Math.round(30 * (opened * (averageSize('sessions') + rings) + events * averageSize('audit_events')));
}
