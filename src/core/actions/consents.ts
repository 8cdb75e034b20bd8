// Consents: gives, withdraws and checks what a user has allowed a third-party client, under the lock of the user's row.
import type { Knex } from 'knex';
import { recordEvents } from '../audit/audit.ts';
import { beginEnding } from '../sessions/end_many.ts';
import type { EndCause } from '../sessions/end_sessions.ts';
import { finishEnding } from '../sessions/pending_endings.ts';
import { json } from '../store/columns.ts';
import { isForeignKeyViolation } from '../store/database_errors.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import { findConsent, findSettledConsent, type Granted } from '../users/consents.ts';
import { lockUser } from '../users/users.ts';

/**
 * Adds to what a user has allowed a client; what was allowed before stays. Returns all of it, or null when the client has
 * just been removed.
 */
export async function addConsent(
  db: Db,
  user_id: string,
  client_id: string,
  added: Granted,
): Promise<Granted | null> {
  try {
    return await db.transaction((tx) => writeConsent(tx, user_id, client_id, added));
  } catch (error) {
    if (isForeignKeyViolation(error)) return null;
    throw error;
  }
}

async function writeConsent(
  tx: Knex.Transaction,
  user_id: string,
  client_id: string,
  added: Granted,
): Promise<Granted> {
  await lockUser(tx, user_id);
  const before = await findConsent(tx, user_id, client_id);
  const granted = before ? merge(before.granted, added) : added;
  const now = present(tx);
  await tx('consents')
    .insert({ user_id, client_id, granted: json(granted), created_at: now, updated_at: now })
    .onConflict(['user_id', 'client_id'])
    .merge(['granted', 'updated_at']);
  const detail = { granted: added };
  await recordEvents(tx, [
    { type: 'consent_given', user_id, client_id, actor: 'user', actor_id: user_id, detail },
  ]);
  return granted;
}

/**
 * Withdraws a consent and ends the client's sessions of this user; null when there was none, else how many ended. A login
 * in flight finds the consent gone when it has opened its session, see {@link isConsented}.
 */
export async function withdrawConsent(
  db: Knex,
  user_id: string,
  client_id: string,
  ending: Omit<EndCause, 'reason'>,
): Promise<number | null> {
  const begun = await db.transaction(async (tx: Knex.Transaction) => {
    await lockUser(tx, user_id);
    const removed = await tx('consents').where({ user_id, client_id }).delete();
    if (removed === 0) return null;
    const { actor, actor_id = null, source } = ending;
    await recordEvents(tx, [{ type: 'consent_withdrawn', user_id, client_id, actor, actor_id, ...source }]);
    // Sessions that open after this moment belong to a new consent; the user's lock orders the two.
    const opened_until = await readMoment(tx);
    const scope = { kind: 'consent', user_id, client_id, opened_until } as const;
    return await beginEnding(tx, scope, { ...ending, reason: 'consent_withdrawn' });
  });
  return begun && (await finishEnding(db, begun));
}

// The time of this statement, not of the transaction, which may have waited for the lock.
async function readMoment(tx: Knex.Transaction): Promise<string> {
  if (!isPostgres(tx)) return new Date().toISOString();
  const [row] = await rows<{ moment_at: Date }>(
    tx,
    "select date_trunc('milliseconds', clock_timestamp()) as moment_at",
    [],
    { moment_at: 'time' },
  );
  if (!row) throw new Error('the database does not tell the time');
  return row.moment_at.toISOString();
}

/** The scopes of a session's grant: the server's own, and those of each resource server, separated by spaces. */
export interface GrantedScopes {
  openid?: { scope?: string | undefined; claims?: string[] | undefined } | undefined;
  resources?: Record<string, string> | undefined;
}

/**
 * Whether the user's consent covers all that a session was granted. Checked after the session was opened, under a lock on the
 * consent, which a withdrawal deletes before it looks for sessions: either this check sees the withdrawal, or the withdrawal sees
 * the session.
 */
export async function isConsented(
  db: Knex,
  user_id: string,
  client_id: string,
  { openid, resources = {} }: GrantedScopes,
): Promise<boolean> {
  const found = await findSettledConsent(db, user_id, client_id);
  const covers = (scope: string | undefined, known: string[] = []) =>
    (scope ?? '').split(' ').every((one) => one === '' || known.includes(one));
  return (
    found !== null &&
    covers(openid?.scope, found.granted.openid) &&
    (openid?.claims ?? []).every((claim) => found.granted.claims.includes(claim)) &&
    Object.entries(resources).every(([identifier, scope]) =>
      covers(scope, found.granted.resources[identifier]),
    )
  );
}

function merge(before: Granted, added: Granted): Granted {
  const resources = { ...before.resources };
  for (const [identifier, scopes] of Object.entries(added.resources)) {
    resources[identifier] = union(resources[identifier], scopes);
  }
  return {
    openid: union(before.openid, added.openid),
    claims: union(before.claims, added.claims),
    resources,
  };
}

function union(a: string[] = [], b: string[] = []): string[] {
  return [...new Set([...a, ...b])];
}
