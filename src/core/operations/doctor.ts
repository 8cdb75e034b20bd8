// The doctor: checks a deployment and reports what is wrong with it and what to do. It changes nothing.
import type { Knex } from 'knex';
import type { Config } from '../../../config/index.ts';
import type { Keyring } from '../../lib/crypto.ts';
import { readVersion } from '../store/database_facts.ts';
import { isPostgres } from '../store/db.ts';
import { compareMigrations } from '../store/migrate.ts';
import { findPoolerProblem } from '../store/pooler.ts';
import { readClock } from '../store/sql_time.ts';
import { findStandbyState } from '../store/standby_probe.ts';
import { checkClients } from './doctor_clients.ts';
import { checkClientAlgs, checkKeys } from './doctor_keys.ts';
import { checkMail, checkMessages } from './doctor_messages.ts';
import { checkGrowth, checkSweep, checkUpdates } from './doctor_storage.ts';
import { checkTrail } from './doctor_trail.ts';
import type { Finding } from './finding.ts';

/** Runs every check. After a failed one, the checks that depend on it are left out. */
export async function checkDeployment(db: Knex, config: Config, keyring: Keyring): Promise<Finding[]> {
  const database = await checkDatabase(db);
  if (database.state === 'wrong') return [database];
  const pooler = await checkPooler(db, config);
  if (pooler.some(({ state }) => state === 'wrong')) return [database, ...pooler];
  const migrations = await checkMigrations(db);
  if (migrations.state === 'wrong') return [database, await checkClock(db), migrations];
  return [
    database,
    ...pooler,
    migrations,
    ...(await checkStandby(db)),
    await checkClock(db),
    ...(await checkKeys(db, config, keyring)),
    ...(await checkClients(db, config)),
    ...(await checkClientAlgs(db, config)),
    await checkSweep(db),
    ...checkMail(config),
    await checkMessages(db, config),
    ...(await checkTrail(db)),
    ...(await checkUpdates(db)),
    ...(await checkGrowth(db, config)),
    restoreNote,
  ];
}

const restoreNote: Finding = {
  check: 'restore',
  state: 'note',
  text: 'after a restore from a backup, sessions that were ended since the backup are live again',
  advice:
    'if this database was restored, run: kindred doctor --end-all-sessions --yes (every user then has to log in again)',
};

async function checkDatabase(db: Knex): Promise<Finding> {
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
      advice:
        'check DATABASE_URL, that the database server runs, and that it accepts this machine and this user',
    };
  }
}

// The start of a server refuses the same.
async function checkPooler(db: Knex, config: Config): Promise<Finding[]> {
  if (!isPostgres(db)) return [];
  const problem = await findPoolerProblem(config);
  if (problem) return [{ check: 'pooler', state: 'wrong', text: problem }];
  const hasDirectUrl = config.databaseDirectUrl !== config.databaseUrl;
  const text = hasDirectUrl
    ? 'locks and notifications use DATABASE_DIRECT_URL'
    : 'every connection keeps its session';
  return [{ check: 'pooler', state: 'good', text }];
}

async function checkStandby(db: Knex): Promise<Finding[]> {
  const state = await findStandbyState(db);
  const check = 'standby';
  if (state === 'none') return [];
  if (state === 'present') return [{ check, state: 'good', text: 'a synchronous standby confirms commits' }];
  const advice =
    'start the standby that synchronous_standby_names asks for; if it is lost for good, set synchronous_standby_names to what there is and reload Postgres';
  const text = 'no synchronous standby confirms commits: logins and endings are refused with 503';
  return [{ check, state: 'wrong', text, advice }];
}

async function checkMigrations(db: Knex): Promise<Finding> {
  const found = await compareMigrations(db);
  const check = 'migrations';
  if (found.missing > 0) {
    const text = `${found.missing} are missing`;
    return {
      check,
      state: 'wrong',
      text,
      advice: 'run: kindred migrate, or start a server, which migrates first',
      data: found,
    };
  }
  if (found.newer === 0) return { check, state: 'good', text: 'all are applied', data: found };
  return {
    check,
    state: 'note',
    text: `the database has ${found.newer} from a newer version`,
    advice: 'this is expected during an upgrade; afterwards, upgrade this node too',
    data: found,
  };
}

// Compares with the middle of the round trip, when the database answered, near enough.
async function checkClock(db: Knex): Promise<Finding> {
  const before = Date.now();
  const databaseTime = await readClock(db);
  const skew = (databaseTime.getTime() - (before + Date.now()) / 2) / 1000;
  const seconds = Math.round(skew * 10) / 10;
  const text = `the clocks of the database and of this machine differ by ${Math.abs(seconds)} s`;
  const data = { skew_seconds: seconds };
  if (Math.abs(skew) < 2) return { check: 'clock', state: 'good', text, data };
  const advice =
    'run NTP on both: tokens and sessions follow the clock of the database, rate limits and the log that of this machine';
  return { check: 'clock', state: Math.abs(skew) < 10 ? 'note' : 'wrong', text, advice, data };
}
