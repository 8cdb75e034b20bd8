// Consents: gives, withdraws and checks what a user has allowed a third-party client, under the lock of the user's row.
import type { Knex } from 'knex';
import { newId } from '../../lib/ids.ts';
import { eventTime, notifyListeners, recordEvents } from '../audit/audit.ts';
import { browserSessionSql } from '../engine_records/browser_session_records.ts';
import { beginEnding } from '../sessions/end_many.ts';
import type { EndCause } from '../sessions/end_sessions.ts';
import { finishEnding } from '../sessions/pending_endings.ts';
import { json } from '../store/columns.ts';
import { isForeignKeyViolation } from '../store/database_errors.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import { statement } from '../store/statements.ts';
import { findConsent, type Granted } from '../users/consents.ts';
import { lockUser } from '../users/users.ts';

/**
 * Adds to what a user has allowed a client; what was allowed before stays. Returns all of it, or null when the client has
 * just been removed. On Postgres two statements.
 */
export async function addConsent(
  db: Db,
  user_id: string,
  client_id: string,
  added: Granted,
): Promise<Granted | null> {
  const given = { user_id, client_id, added };
  try {
    const written = isPostgres(db) ? await writeAtOnce(db, given) : null;
    return written ?? (await db.transaction((tx) => writeConsent(tx, given)));
  } catch (error) {
    if (isForeignKeyViolation(error)) return null;
    throw error;
  }
}

interface Given {
  user_id: string;
  client_id: string;
  added: Granted;
}

const eventOf = ({ user_id, client_id, added }: Given) =>
  ({
    type: 'consent_given',
    user_id,
    client_id,
    actor: 'user',
    actor_id: user_id,
    detail: { granted: added },
  }) as const;

// Locks the user before the consent, as every change of a consent does.
const write = statement<{ user_id: string }>(
  { name: 'add_consent', alone: true },
  () => `with u as (select id from users where id = :user_id for key share), added as (
      insert into consents (user_id, client_id, granted, created_at, updated_at)
      select id, :client_id, :granted, :now, :now from u where cast(:before as jsonb) is null
      on conflict (user_id, client_id) do nothing returning user_id
    ), changed as (
      update consents set granted = :granted, updated_at = :now
      where user_id = :user_id and client_id = :client_id and granted = cast(:before as jsonb) and exists (select 1 from u)
      returning user_id
    ), written as (select user_id from added union all select user_id from changed), e as (
      insert into audit_events (id, created_at, type, user_id, client_id, actor, actor_id, detail)
      select :event_id, :event_at, 'consent_given', user_id, :client_id, 'user', :actor_id, :detail from written
    ) select user_id from written`,
);

// Null when the consent was changed since it was read: then it is read again under the lock. So what was withdrawn in between does
// not come back.
async function writeAtOnce(db: Db, given: Given): Promise<Granted | null> {
  const { user_id, client_id, added } = given;
  const before = await findConsent(db, user_id, client_id);
  const granted = merge(before?.granted, added);
  const { detail, ...event } = eventOf(given);
  const event_at = eventTime(db);
  const written = await write(db, {
    ...{ user_id, client_id, granted: json(granted), before: before && json(before.granted) },
    ...{ event_id: newId(event_at.getTime()), event_at, actor_id: user_id, detail: json(detail) },
  });
  if (written.length === 0) return null;
  notifyListeners(db, [{ ...event, detail }]);
  return granted;
}

async function writeConsent(tx: Knex.Transaction, given: Given): Promise<Granted> {
  const { user_id, client_id, added } = given;
  await lockUser(tx, user_id);
  const before = await findConsent(tx, user_id, client_id);
  const granted = merge(before?.granted, added);
  const now = present(tx);
  await tx('consents')
    .insert({ user_id, client_id, granted: json(granted), created_at: now, updated_at: now })
    .onConflict(['user_id', 'client_id'])
    .merge(['granted', 'updated_at']);
  await recordEvents(tx, [eventOf(given)]);
  return granted;
}

/**
 * Withdraws a consent and ends the client's sessions of this user; null when there was none, else how many ended. A login
 * in flight finds the consent gone when it has opened its session, see {@link findObstacle}.
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

const findStanding = statement<{ is_signed_in: boolean; granted: Granted | null }>(
  { name: 'consent_and_browser', commit: 'local' },
  () => `select exists (${browserSessionSql}) as is_signed_in,
    (select granted from consents where user_id = :user_id and client_id = :client_id) as granted`,
  { is_signed_in: 'boolean', granted: 'json' },
);

/**
 * Why a session that has just been opened for a third-party client must not go on, or null: its browser was signed out, or the
 * user's consent no longer covers what it was granted. `browser_session` is null when the login is not stored yet. The ending of a
 * browser session and the withdrawal of a consent lock the user's row first, as the opening did: each has either committed, and is
 * seen here, or finds the session.
 */
export async function findObstacle(
  db: Db,
  { user_id, client_id, grant_payload }: { user_id: string; client_id: string; grant_payload: GrantedScopes },
  browser_session: string | null,
): Promise<'logout' | 'consent_withdrawn' | null> {
  const [found] = await findStanding(db, { user_id, client_id, second_id: browser_session ?? '' });
  if (browser_session !== null && !found?.is_signed_in) return 'logout';
  return covers(found?.granted ?? null, grant_payload) ? null : 'consent_withdrawn';
}

// `offline_access` is a name for what the page said of every client that may refresh.
function covers(granted: Granted | null, { openid, resources = {} }: GrantedScopes): boolean {
  const has = (scope: string | undefined, known: string[] = []) =>
    (scope ?? '').split(' ').every((one) => one === '' || one === 'offline_access' || known.includes(one));
  return (
    granted !== null &&
    has(openid?.scope, granted.openid) &&
    (openid?.claims ?? []).every((claim) => granted.claims.includes(claim)) &&
    Object.entries(resources).every(([identifier, scope]) => has(scope, granted.resources[identifier]))
  );
}

function merge(before: Granted | undefined, added: Granted): Granted {
  if (!before) return added;
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
