// The doctor: looks at a deployment and says what is wrong with it and what to do about that.
import type { Knex } from 'knex';
import type { Config } from '../../../config/index.ts';
import type { Keyring } from '../../lib/crypto.ts';
import { formatDuration } from '../../lib/format.ts';
import { canUnseal, isSealedUnderFirst } from '../keys/reencrypt.ts';
import { listSigningKeys } from '../keys/signing_keys.ts';
import { readVersion } from '../store/database_facts.ts';
import { isPostgres } from '../store/db.ts';
import { compareMigrations } from '../store/migrate.ts';
import { findPoolerProblem } from '../store/pooler.ts';
import { readClock } from '../store/sql_time.ts';
import { lookAtClients } from './doctor_clients.ts';
import { type Finding, lookAtGrowth, lookAtSweep, lookAtUpkeep } from './doctor_storage.ts';

export type { Finding };

/** Looks at everything; whatever depends on what is already wrong is left out. */
export async function examine(db: Knex, config: Config, keyring: Keyring): Promise<Finding[]> {
  const database = await lookAtDatabase(db);
  if (database.state === 'wrong') return [database];
  const pooler = await lookAtPooler(db, config);
  if (pooler.some(({ state }) => state === 'wrong')) return [database, ...pooler];
  const migrations = await lookAtMigrations(db);
  if (migrations.state === 'wrong') return [database, await lookAtClock(db), migrations];
  return [
    database,
    ...pooler,
    migrations,
    await lookAtClock(db),
    ...(await lookAtKeys(db, config, keyring)),
    ...(await lookAtClients(db, config)),
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
  advice:
    'if this database was restored: kindred doctor --end-all-sessions --yes, and everybody logs in again',
};

async function lookAtDatabase(db: Knex): Promise<Finding> {
  try {
    const start = performance.now();
    const version = await readVersion(db);
    const ms = Math.round(performance.now() - start);
    return {
      check: 'database',
      state: 'good',
      text: `${version} answers in ${ms} ms`,
      data: { version, ms },
    };
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

// What the start of a server refuses.
async function lookAtPooler(db: Knex, config: Config): Promise<Finding[]> {
  if (!isPostgres(db)) return [];
  const problem = await findPoolerProblem(config);
  if (problem) return [{ check: 'pooler', state: 'wrong', text: problem }];
  const isPast = config.databaseDirectUrl !== config.databaseUrl;
  const text = isPast ? 'locks and notices go past it' : 'every connection keeps its session';
  return [{ check: 'pooler', state: 'good', text }];
}

async function lookAtMigrations(db: Knex): Promise<Finding> {
  const found = await compareMigrations(db);
  const check = 'migrations';
  if (found.missing > 0) {
    const text = `${found.missing} missing`;
    return {
      check,
      state: 'wrong',
      text,
      advice: 'kindred migrate, or start a server, which does it',
      data: found,
    };
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
  const advice =
    'run NTP on both: what is issued and what expires goes by the database, rate limits and the log by this machine';
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
    return [
      { check, state: current ? 'note' : 'wrong', text, advice: 'start a server: it makes the missing one' },
    ];
  }
  const age = (now.getTime() - (current.current_at ?? current.created_at).getTime()) / 1000;
  const isReady = upcoming.created_at.getTime() + config.signingKeyLead * 1000 <= now.getTime();
  const isOld = age > config.signingKeyTtl + 86_400;
  const findings: Finding[] = [
    {
      check,
      state: isOld ? 'wrong' : 'good',
      text: `the current one has signed for ${formatDuration(age)}, the next is ${isReady ? 'ready' : 'not ready yet'}`,
      ...(isOld
        ? { advice: 'it should have been rotated: does any server run with JOBS? kindred rotate-keys' }
        : {}),
      data: { kid: current.kid, age_seconds: Math.round(age), next_is_ready: isReady },
    },
  ];
  const closed = keys.filter((key) => !canUnseal(key, keyring)).length;
  const stale = keys.filter((key) => !isSealedUnderFirst(key, keyring)).length;
  if (closed > 0) {
    const text = `no secret in KINDRED_SECRET can decrypt ${closed} of ${keys.length} signing keys`;
    const advice = 'put the secret back that sealed them; without it, delete their rows and start a server';
    findings.push({ check: 'secrets', state: 'wrong', text, advice });
  } else if (stale > 0) {
    const text = `${stale} of ${keys.length} signing keys are sealed under a secret that is not the first`;
    findings.push({
      check: 'secrets',
      state: 'note',
      text,
      advice: 'kindred reencrypt-keys, before that one goes',
    });
  }
  return findings;
}
