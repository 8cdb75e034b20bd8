// The doctor: looks at a deployment and says what is wrong with it and what to do about that.
import type { Knex } from 'knex';
import type { Config } from '../../config/index.ts';
import type { Keyring } from '../lib/crypto.ts';
import {
  countNew,
  isSweepOverdue,
  readSize,
  readTables,
  readUpkeep,
  readVersion,
  type TableFacts,
} from './database_facts.ts';
import { readClock } from './db.ts';
import { compareMigrations } from './migrate.ts';
import { isSealedUnderFirst, opens } from './reencrypt.ts';
import { listSigningKeys } from './signing_keys.ts';
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

/** Looks at everything; whatever depends on what is already wrong is left out. */
export async function examine(db: Knex, config: Config, keyring: Keyring): Promise<Finding[]> {
  const database = await lookAtDatabase(db);
  if (database.state === 'wrong') return [database];
  const migrations = await lookAtMigrations(db);
  if (migrations.state === 'wrong') return [database, await lookAtClock(db), migrations];
  return [
    database,
    migrations,
    await lookAtClock(db),
    ...(await lookAtKeys(db, config, keyring)),
    await lookAtSweep(db),
    ...(await lookAtUpkeep(db)),
    ...(await lookAtGrowth(db, config)),
    restoreNote,
  ];
}

const restoreNote: Finding = {
  check: 'restore',
  state: 'note',
  text: 'after a restore from a backup, sessions that had been ended since it was made are alive again',
  advice: 'if this database was restored: kindred doctor --end-all-sessions --yes, and everybody logs in again',
};

async function lookAtDatabase(db: Knex): Promise<Finding> {
  try {
    const start = performance.now();
    const version = await readVersion(db);
    const ms = Math.round(performance.now() - start);
    return { check: 'database', state: 'good', text: `${version} answers in ${ms} ms`, data: { version, ms } };
  } catch (error) {
    const { code } = error as { code?: string };
    return {
      check: 'database',
      state: 'wrong',
      text: `the database does not answer${code ? ` (${code})` : ''}`,
      advice: 'check DATABASE_URL, that the server runs, and that it lets this machine and this user in',
    };
  }
}

async function lookAtMigrations(db: Knex): Promise<Finding> {
  const found = await compareMigrations(db);
  const check = 'migrations';
  if (found.missing > 0) {
    const text = `${found.missing} missing`;
    return { check, state: 'wrong', text, advice: 'kindred migrate, or start a server, which does it', data: found };
  }
  if (found.newer === 0) return { check, state: 'good', text: 'all there', data: found };
  return {
    check,
    state: 'note',
    text: `the database has ${found.newer} of a newer version`,
    advice: 'during an upgrade this is as it should be; afterwards this node should be upgraded too',
    data: found,
  };
}

// What was asked in the middle of the round trip was answered then too, near enough.
async function lookAtClock(db: Knex): Promise<Finding> {
  const before = Date.now();
  const theirs = await readClock(db);
  const skew = (theirs.getTime() - (before + Date.now()) / 2) / 1000;
  const seconds = Math.round(skew * 10) / 10;
  const text = `differs from this machine's by ${Math.abs(seconds)} s`;
  const data = { skew_seconds: seconds };
  if (Math.abs(skew) < 2) return { check: 'clock', state: 'good', text, data };
  const advice = 'run NTP on both: tokens carry the time of this machine, sessions expire by that of the database';
  return { check: 'clock', state: Math.abs(skew) < 10 ? 'note' : 'wrong', text, advice, data };
}

async function lookAtKeys(db: Knex, config: Config, keyring: Keyring): Promise<Finding[]> {
  const keys = await listSigningKeys(db);
  const now = await readClock(db);
  const current = keys.find((key) => key.status === 'current');
  const upcoming = keys.find((key) => key.status === 'upcoming');
  const check = 'signing keys';
  if (!current || !upcoming) {
    const text = `there is no ${current ? 'upcoming' : 'current'} signing key`;
    return [{ check, state: current ? 'note' : 'wrong', text, advice: 'start a server: it makes the missing one' }];
  }
  const age = (now.getTime() - (current.current_at ?? current.created_at).getTime()) / 1000;
  const isReady = upcoming.created_at.getTime() + config.signingKeyLead * 1000 <= now.getTime();
  const isOld = age > config.signingKeyTtl + 86_400;
  const findings: Finding[] = [
    {
      check,
      state: isOld ? 'wrong' : 'good',
      text: `the current one has signed for ${days(age)}, the next is ${isReady ? 'ready' : 'not ready yet'}`,
      ...(isOld ? { advice: 'it should have been rotated: does any server run with JOBS? kindred rotate-keys' } : {}),
      data: { kid: current.kid, age_seconds: Math.round(age), next_is_ready: isReady },
    },
  ];
  const closed = keys.filter((key) => !opens(key, keyring)).length;
  const stale = keys.filter((key) => !isSealedUnderFirst(key, keyring)).length;
  if (closed > 0) {
    const text = `${closed} of ${keys.length} signing keys open with no secret of KINDRED_SECRET`;
    const advice = 'put the secret back that sealed them; without it, delete their rows and start a server';
    findings.push({ check: 'secrets', state: 'wrong', text, advice });
  } else if (stale > 0) {
    const text = `${stale} of ${keys.length} signing keys are sealed under a secret that is not the first`;
    findings.push({ check: 'secrets', state: 'note', text, advice: 'kindred reencrypt-keys, before that one goes' });
  }
  return findings;
}

async function lookAtSweep(db: Knex): Promise<Finding> {
  const check = 'sweep';
  const isOverdue = await isSweepOverdue(db, await readClock(db));
  if (!isOverdue) return { check, state: 'good', text: 'nothing has been dead for longer than it should be' };
  const advice = 'does any server run with JOBS, and what does its log say of the sweep? kindred sweep';
  return { check, state: 'wrong', text: 'rows that are dead have not been removed for days', advice };
}

async function lookAtUpkeep(db: Knex): Promise<Finding[]> {
  const found = await readUpkeep(db);
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
      text: `${ratio.toFixed(3)} of the ${count(found.updates)} updates of sessions`,
      ...(isCold ? { advice: 'is there an index on a column that rotation writes, or a fillfactor above 85?' } : {}),
      data: { updates: found.updates, hot_ratio: ratio },
    },
    {
      check: 'autovacuum',
      state: !found.is_autovacuum_on ? 'wrong' : isBloated || minutes >= 60 ? 'note' : 'good',
      text: `${count(found.dead_rows)} dead rows among ${count(found.live_rows)} sessions, oldest transaction ${minutes} min`,
      ...vacuumAdvice(found.is_autovacuum_on, isBloated, minutes),
      data: found,
    },
  ];
}

function vacuumAdvice(isOn: boolean, isBloated: boolean, minutes: number): { advice?: string } {
  if (!isOn) return { advice: 'turn autovacuum on: every rotation leaves a dead row' };
  if (minutes >= 60) return { advice: 'end transactions that stay open: until then nothing dead since can be removed' };
  return isBloated
    ? { advice: 'alter table sessions set (autovacuum_vacuum_scale_factor = 0.05), so that it comes more often' }
    : {};
}

async function lookAtGrowth(db: Knex, config: Config): Promise<Finding[]> {
  const now = await readClock(db);
  const [tables, size] = [await readTables(db), await readSize(db)];
  const [opened, events] = [await countNew(db, 'sessions', now), await countNew(db, 'audit_events', now)];
  const live = await countLiveSessions(db);
  const month = { sessions: opened * 30, events: events * 30, bytes: projected(tables, size, opened, events) };
  const kept = Math.round((events * config.auditRetention) / 86_400);
  return [
    {
      check: 'size',
      state: 'good',
      text: `${bytes(size)}; ${tables.slice(0, 3).map((table) => `${table.name} ${count(table.rows)}`).join(', ')}; ${count(live)} sessions live`,
      data: { bytes: size, live_sessions: live, tables },
    },
    {
      check: 'a month from now',
      state: 'good',
      text: `at the rate of the last day ${count(month.sessions)} more logins, ${count(month.events)} more events, about ${bytes(month.bytes)} more; the retention keeps ${count(kept)} events`,
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

function days(seconds: number): string {
  return seconds < 2 * 86_400 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}

function count(n: number): string {
  return Math.round(n).toLocaleString('en-US');
}

function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const step = n > 0 ? Math.min(units.length - 1, Math.floor(Math.log2(n) / 10)) : 0;
  return `${(n / 1024 ** step).toFixed(step === 0 ? 0 : 1)} ${units[step]}`;
}
