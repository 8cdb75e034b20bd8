// `sweep`, `stats` and the commands about signing keys.
import { loadConfig } from '../../config/index.ts';
import { type KeyUpkeep, rotateKeys as rotateAll } from '../core/actions/key_rotation.ts';
import { findUnservedClients, nameUnserved, type UnservedClients } from '../core/clients/unserved_clients.ts';
import { type Deps, openDeps } from '../core/deps.ts';
import { reencryptSigningKeys } from '../core/keys/reencrypt.ts';
import { planRotation } from '../core/keys/rotate_keys.ts';
import { algsInUse, listSigningKeys, type SigningKeyRow } from '../core/keys/signing_keys.ts';
import { type SweepCounts, sweep as sweepAll } from '../core/operations/sweep.ts';
import { countStatistics } from '../core/statistics/count_statistics.ts';
import { readStats, type Stats } from '../core/statistics/stats.ts';
import { withJobLock } from '../core/store/advisory_lock.ts';
import { createKeyring } from '../lib/crypto.ts';
import { formatCount } from '../lib/format.ts';
import { byCommand, withDatabase } from './database.ts';
import { type Answer, CommandError, formatTable } from './output.ts';
import { startProgress } from './progress.ts';

/** `sweep [--dry-run]`: counts the rows first, as the total of the progress. */
export async function sweep({ dryRun = false }: { dryRun?: boolean }): Promise<Answer> {
  const counts = await withDatabase(async (db, { databaseDirectUrl, auditRetention }) => {
    const expected = await sweepAll(db, { auditRetention, dryRun: true });
    if (dryRun) return expected;
    return await withJobLock(databaseDirectUrl, 'sweep', async (signal) => {
      const progress = startProgress(total(expected));
      const done: Partial<SweepCounts> = {};
      const report = (table: string, n: number) => {
        Object.assign(done, { [table]: n });
        progress.update(total(done), `${table}: ${formatCount(n)}`);
      };
      try {
        return await sweepAll(db, { auditRetention, signal, progress: report });
      } finally {
        progress.finish();
      }
    });
  });
  if (!counts) throw new CommandError('a sweep is running already, on this node or on another');
  const lines = Object.entries(counts).map(([table, n]) => [table, formatCount(n)]);
  return {
    data: { dry_run: dryRun, rows: counts },
    text: formatTable(['TABLE', dryRun ? 'WOULD BE REMOVED' : 'REMOVED'], lines),
  };
}

function total(counts: Partial<SweepCounts>): number {
  return Object.values(counts).reduce((sum, n) => sum + n, 0);
}

/** `rotate-keys [--dry-run] [--force]` */
export async function rotateKeys({ dryRun = false, force = false }: Rotating): Promise<Answer> {
  if (dryRun) return await previewRotation();
  return await withDeps(async (deps) => {
    const done = await rotateAll(deps, byCommand, { force });
    if (done.outcome === 'too_young') {
      throw new CommandError(
        `the upcoming key may sign from ${done.ready_at?.toISOString()} on; if the current key has leaked, use --force`,
      );
    }
    return { data: done, text: describeRotation(done) };
  });
}

interface Rotating {
  dryRun?: boolean;
  force?: boolean;
}

async function previewRotation(): Promise<Answer> {
  return await withDatabase(async (db, { signingKeyLead: lead, signingAlgs: algs }) => {
    const stored = await listSigningKeys(db);
    const planned = await planRotation(db, { algs, lead });
    const next = stored.find((key) => key.status === 'upcoming' && planned.wanted.includes(key.alg));
    if (!next) throw new CommandError('there is no upcoming signing key; start a server, which creates it');
    const { keys, ready_at } = planned;
    const kid = keys[0]?.kid ?? next.kid;
    const outcome = keys.length > 0 ? 'rotated' : 'too_young';
    const unserved = await findUnservedClients(db, planned.wanted, algsInUse(stored));
    const wouldSign = `${nameKeys(keys)} would sign`;
    const text = keys.length > 0 ? wouldSign : `key ${kid} may sign from ${ready_at.toISOString()} on`;
    const data = {
      dry_run: true,
      outcome,
      kid,
      ready_at,
      ...(unserved.clients.length > 0 ? { unserved } : {}),
    };
    return { data, text: text + describeUnserved(unserved) };
  });
}

function describeRotation({ keys = [], dropped, unserved }: KeyUpkeep): string {
  const gone = dropped > 0 ? `; removed ${formatCount(dropped)} keys whose tokens have expired` : '';
  const [sign, previous] = keys.length > 1 ? ['sign', 'keys stay'] : ['signs', 'key stays'];
  return `${nameKeys(keys)} ${sign} now; the previous ${previous} published until the last token has expired${gone}${describeUnserved(unserved)}`;
}

function nameKeys(keys: { kid: string; alg: string }[]): string {
  return keys.map(({ kid, alg }) => (keys.length > 1 ? `key ${kid} (${alg})` : `key ${kid}`)).join(' and ');
}

function describeUnserved(unserved?: UnservedClients): string {
  if (!unserved?.clients.length) return '';
  return `\nThese clients need an algorithm that is not in SIGNING_ALG and get another one instead: ${nameUnserved(unserved)}`;
}

/** `keys` */
export async function listKeys(): Promise<Answer> {
  return await withDatabase(async (db) => {
    const keys = await listSigningKeys(db);
    return { data: { keys: keys.map(describeKey) }, text: keyTable(keys) };
  });
}

function describeKey(key: SigningKeyRow): object {
  const { kid, alg, status, created_at, current_at, retiring_at, expires_at } = key;
  return { kid, alg, status, created_at, current_at, retiring_at, expires_at };
}

function keyTable(keys: SigningKeyRow[]): string {
  const headings = ['KEY', 'ALG', 'STATUS', 'PUBLISHED (UTC)', 'SIGNS SINCE (UTC)', 'PUBLISHED UNTIL (UTC)'];
  return formatTable(
    headings,
    keys.map((key) => [
      key.kid,
      key.alg,
      key.status,
      minute(key.created_at),
      minute(key.current_at),
      minute(key.expires_at),
    ]),
  );
}

/** `reencrypt-keys` */
export async function reencryptKeys(): Promise<Answer> {
  return await withDatabase(async (db, { secrets }) => {
    const done = await reencryptSigningKeys(db, createKeyring(secrets));
    const text = `${formatCount(done.reencrypted)} signing keys are now encrypted with the first secret, ${formatCount(done.unchanged)} already were`;
    return { data: done, text };
  });
}

/** Seconds after which a count is so old that no server can be counting. */
const staleCount = 600;

/** `stats`: the figures that a server has counted. Where no server counts, the command does. */
export async function stats({ top }: { top?: number }): Promise<Answer> {
  return await withDatabase(async (db, { databaseDirectUrl: url }) => {
    await withJobLock(url, 'count-statistics', (signal) =>
      countStatistics(db, { url, ifOlderThan: staleCount, signal }),
    );
    const found = await readStats(db, top ? { top } : {});
    return { data: found, text: describeStats(found) };
  });
}

function describeStats({ live_sessions: live, last_day: day }: Stats): string {
  const failures = Object.entries(day.failed_logins).map(([reason, n]) => `${reason} ${formatCount(n)}`);
  const busiest = day.refreshes_per_hour.toSorted((a, b) => b.refreshes - a.refreshes)[0];
  const tokens = Object.entries(day.refresh_tokens).map(([outcome, n]) => `${outcome} ${formatCount(n)}`);
  return [
    `live sessions: ${formatCount(live.total)} (counted ${minute(live.counted_at)} UTC)`,
    `last 24 hours: ${formatCount(day.logins)} logins; failed: ${failures.join(', ') || 'none'}`,
    `refresh tokens: ${tokens.join(', ')}`,
    ...(busiest?.refreshes
      ? [`busiest hour: ${minute(busiest.hour)} UTC, ${formatCount(busiest.refreshes)} refreshes`]
      : []),
    ...(live.total > 0 ? ['', clientTable(live), '', userTable(live)] : []),
  ].join('\n');
}

function clientTable({ by_client }: Stats['live_sessions']): string {
  return formatTable(
    ['CLIENT', 'SESSIONS'],
    by_client.map((row) => [row.client_id, formatCount(row.sessions)]),
  );
}

function userTable({ by_user }: Stats['live_sessions']): string {
  return formatTable(
    ['USER', 'ID', 'SESSIONS'],
    by_user.map((row) => [row.username, row.user_id, formatCount(row.sessions)]),
  );
}

function minute(moment: Date | null | undefined): string {
  return moment ? moment.toISOString().slice(0, 16).replace('T', ' ') : '-';
}

// For commands that need the decrypted keys. Refuses a database that is not migrated before opening anything on it.
async function withDeps(run: (deps: Deps) => Promise<Answer>): Promise<Answer> {
  await withDatabase(async () => {});
  const deps = await openDeps({ ...loadConfig(), logLevel: 'silent' });
  try {
    return await run(deps);
  } finally {
    await deps.close();
  }
}
