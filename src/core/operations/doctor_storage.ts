// What the doctor says of the storage: dead rows, upkeep, growth.
import type { Knex } from 'knex';
import type { Config } from '../../../config/index.ts';
import { formatBytes, formatCount } from '../../lib/format.ts';
import {
  countNew,
  isSweepOverdue,
  readSize,
  readTables,
  readUpdateStats,
  type TableFacts,
} from '../store/database_facts.ts';
import { readClock } from '../store/sql_time.ts';
import { countLiveSessions } from './stats.ts';

export interface Finding {
  /** What was looked at. */
  check: string;
  /** `note`: nothing is wrong, but somebody should know. */
  state: 'good' | 'note' | 'wrong';
  text: string;
  /** What to do. */
  advice?: string;
  data?: object;
}

/** Whether the sweep comes by. */
export async function lookAtSweep(db: Knex): Promise<Finding> {
  const check = 'sweep';
  const isOverdue = await isSweepOverdue(db, await readClock(db));
  if (!isOverdue) return { check, state: 'good', text: 'nothing has been dead for longer than it should be' };
  const advice = 'does any server run with JOBS, and what does its log say of the sweep? kindred sweep';
  return { check, state: 'wrong', text: 'rows that are dead have not been removed for days', advice };
}

/** How Postgres copes with the updates. */
export async function lookAtUpkeep(db: Knex): Promise<Finding[]> {
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
          ? `${(ratio * 100).toFixed(1)} % of ${formatCount(found.updates)} updates of sessions`
          : 'no session has been updated yet',
      ...(isCold
        ? { advice: 'is there an index on a column that rotation writes, or a fillfactor above 85?' }
        : {}),
      data: { updates: found.updates, hot_ratio: ratio },
    },
    {
      check: 'autovacuum',
      state: !found.is_autovacuum_on ? 'wrong' : isBloated || minutes >= 60 ? 'note' : 'good',
      text: `${formatCount(found.dead_rows)} dead rows among ${formatCount(found.live_rows)} sessions, oldest transaction ${minutes} min`,
      ...vacuumAdvice(found.is_autovacuum_on, isBloated, minutes),
      data: found,
    },
  ];
}

function vacuumAdvice(isOn: boolean, isBloated: boolean, minutes: number): { advice?: string } {
  if (!isOn) return { advice: 'turn autovacuum on: every rotation leaves a dead row' };
  if (minutes >= 60)
    return { advice: 'end transactions that stay open: until then nothing dead since can be removed' };
  return isBloated
    ? {
        advice:
          'alter table sessions set (autovacuum_vacuum_scale_factor = 0.05), so that it comes more often',
      }
    : {};
}

/** How large it is, and what it will come to at this rate. */
export async function lookAtGrowth(db: Knex, config: Config): Promise<Finding[]> {
  const now = await readClock(db);
  const [tables, size] = [await readTables(db), await readSize(db)];
  const [opened, events] = [await countNew(db, 'sessions', now), await countNew(db, 'audit_events', now)];
  const live = await countLiveSessions(db);
  const month = {
    sessions: opened * 30,
    events: events * 30,
    bytes: projected(tables, size, opened, events),
  };
  const kept = Math.round((events * config.auditRetention) / 86_400);
  return [
    {
      check: 'size',
      state: 'good',
      text: `${formatBytes(size)}; ${tables
        .slice(0, 3)
        .map((table) => `${table.name} ${formatCount(table.rows)}`)
        .join(', ')}; ${formatCount(live)} sessions live`,
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

// Sessions go after a while, events stay until their retention: a month of both at their average size is the most.
function projected(tables: TableFacts[], size: number, opened: number, events: number): number {
  const all = tables.reduce((sum, table) => sum + table.rows, 0);
  const each = (name: string) => {
    const table = tables.find((one) => one.name === name);
    if (table?.bytes && table.rows > 0) return table.bytes / table.rows;
    return all > 0 ? Math.min(2_000, size / all) : 0;
  };
  return Math.round(30 * (opened * each('sessions') + events * each('audit_events')));
}
