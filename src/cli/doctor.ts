// `doctor`: reports what is wrong with this deployment and what to do; after a restore, ends every session.
import { existsSync } from 'node:fs';
import { type Config, ConfigError, loadConfig } from '../../config/index.ts';
import type { Finding } from '../core/operations/finding.ts';
import '../core/tables.ts';
import { endEverySession } from '../core/actions/end_every_session.ts';
import { checkDeployment } from '../core/operations/doctor.ts';
import { countLiveSessions } from '../core/statistics/count_statistics.ts';
import { openDatabase } from '../core/store/db.ts';
import { createKeyring } from '../lib/crypto.ts';
import { formatCount } from '../lib/format.ts';
import { withDatabase } from './database.ts';
import { type Answer, CommandError } from './output.ts';
import { startProgress } from './progress.ts';

export interface DoctorOptions {
  endAllSessions?: boolean;
  yes?: boolean;
}

/** `doctor [--end-all-sessions --yes]`: exits with 1 if a finding is wrong. */
export async function doctor({ endAllSessions = false, yes = false }: DoctorOptions): Promise<Answer> {
  if (endAllSessions) return await endSessions(yes);
  const findings = await check();
  const isWell = findings.every((finding) => finding.state !== 'wrong');
  if (!isWell) process.exitCode = 1;
  return { data: { is_well: isWell, findings }, text: findings.map(describe).join('\n') };
}

async function check(): Promise<Finding[]> {
  let config: Config;
  try {
    config = loadConfig();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((text) => ({ check: 'settings', state: 'wrong', text }));
  }
  const settings = [describeSettings(config), ...settingNotes(config)];
  const file = config.databaseUrl.replace(/^sqlite:/, '');
  if (file !== config.databaseUrl && !existsSync(file)) {
    const advice = 'run: kindred migrate, or start a server, which creates it';
    return [...settings, { check: 'database', state: 'wrong', text: `there is no file ${file}`, advice }];
  }
  const db = openDatabase(config.databaseUrl, { pool: 2 });
  try {
    return [...settings, ...(await checkDeployment(db, config, createKeyring(config.secrets)))];
  } finally {
    await db.destroy();
  }
}

// The settings that matter most. Of secrets only the number, of URLs no password.
function describeSettings(config: Config): Finding {
  const data = {
    environment: config.env,
    issuer: config.issuer,
    listens: `${config.host}:${config.port}`,
    database: config.databaseUrl.replace(/\/\/[^@/]*@/, '//'),
    secrets: config.secrets.length,
    rate_limits: config.rateLimits.store.replace(/\/\/[^@/]*@/, '//'),
    session_idle_ttl: config.sessionIdleTtl,
    session_absolute_ttl: config.sessionAbsoluteTtl,
    access_token_ttl: config.accessTokenTtl,
    audit_retention: config.auditRetention,
    jobs: config.jobs,
    workers: config.workers,
    metrics: config.metrics.port === 0 ? 'off' : `${config.metrics.host}:${config.metrics.port}`,
    traces: config.tracesEndpoint ?? 'off',
  };
  return {
    check: 'settings',
    state: 'good',
    text: `${config.env}, ${config.issuer}, ${data.database}`,
    data,
  };
}

// Settings that are wrong for some deployments only.
function settingNotes(config: Config): Finding[] {
  const notes: Finding[] = [];
  const note = (text: string, advice: string) =>
    notes.push({ check: 'settings', state: 'note', text, advice });
  for (const warning of config.warnings) note(warning, 'see "Configuration" in README');
  if (config.rateLimits.store === 'memory' && config.databaseUrl.startsWith('postgres')) {
    const perWorker = config.workers > 1 ? `, by each of ${config.workers} workers separately` : '';
    note(
      `rate limits are counted in memory${perWorker}`,
      'with more than one node or worker, set RATE_LIMITS to database or redis://…',
    );
  }
  if (!config.jobs)
    note(
      'JOBS is off here',
      'another node must run the jobs, or cron must run kindred sweep and kindred rotate-keys',
    );
  if (config.secrets.length > 1) {
    note(
      'KINDRED_SECRET is a list',
      'once the change of secret is complete, remove the old one (docs/operations.md)',
    );
  }
  return notes;
}

function describe({ check, state, text, advice }: Finding): string {
  const mark = { good: 'ok   ', note: 'note ', wrong: 'WRONG' }[state];
  return `${mark}  ${check}: ${text}${advice && state !== 'good' ? `\n       -> ${advice}` : ''}`;
}

async function endSessions(isConfirmed: boolean): Promise<Answer> {
  return await withDatabase(async (db) => {
    const live = await countLiveSessions(db);
    if (!isConfirmed) {
      throw new CommandError(
        `this would end ${formatCount(live)} live sessions, and every user would have to log in again; add --yes`,
      );
    }
    const progress = startProgress(live);
    const ending = {
      reason: 'ended_by_admin',
      actor: 'admin',
      detail: { command: 'end-all-sessions' },
    } as const;
    const ended = await endEverySession(db, ending, (n) =>
      progress.update(n, `${formatCount(n)} ended`),
    ).finally(progress.finish);
    return { data: { sessions_ended: ended }, text: `ended ${formatCount(ended)} sessions` };
  });
}
