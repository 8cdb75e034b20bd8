// Who asks for a change that needs the current password: one session or browser session of the user, which must still be live when the
// change is made.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import type { EventType } from '../audit/audit_events.ts';
import { isBrowserSession } from '../engine_records/browser_session_records.ts';
import { type AttemptDeps, attemptPassword, onKnownDevice } from '../passwords/login_attempts.ts';
import type { RequestSource } from '../request_source.ts';
import { findUserSession } from '../sessions/session_list.ts';
import type { Db } from '../store/db.ts';
import { isActive } from '../users/active_users.ts';
import { findUser, lockUser, type User } from '../users/users.ts';

export type Asker =
  | { session_id: string }
  /** With the secrets that identify the browser (known_devices.ts). */
  | { browser_session: string; browser: string[] };

export interface KnownAsker {
  session_id: string | null;
  /** The browser in which the asking session was opened, or which asks itself. */
  browser_session: string | null;
  client_id: string | null;
  device: string | null;
  /** What failures are counted by: the device, else the session or browser session. */
  place: string;
}

/** A request that the current password proves. */
export interface ProvedRequest {
  user_id: string;
  asker: Asker;
  current_password: string;
  source: RequestSource;
}

/** The asker, while it is live; else refuses with `invalid_token`. */
export async function requireAsker(db: Db, user_id: string, asker: Asker): Promise<KnownAsker> {
  if ('browser_session' in asker) {
    const { browser_session } = asker;
    if (!(await isBrowserSession(db, user_id, browser_session))) throw new AppError('invalid_token');
    return { session_id: null, browser_session, client_id: null, device: null, place: browser_session };
  }
  const session = await findUserSession(db, user_id, asker.session_id);
  if (!session || session.ended_at || session.is_expired) throw new AppError('invalid_token');
  const { id, browser_session, client_id, device_id } = session;
  return { session_id: id, browser_session, client_id, device: device_id, place: device_id ?? id };
}

/** The user, or `invalid_token` when there is none. */
export async function requireUser(db: Db, id: string): Promise<User> {
  const user = await findUser(db, id);
  if (!user) throw new AppError('invalid_token');
  return user;
}

/** Locks the user who asks, and refuses with `invalid_token` when the user may not act any more or the asker has ended. */
export async function lockAsker(
  tx: Knex.Transaction,
  user_id: string,
  asker: Asker,
): Promise<{ user: User; asking: KnownAsker }> {
  const user = await lockUser(tx, user_id);
  if (!user || !(await isActive(tx, user))) throw new AppError('invalid_token');
  // A session that ended meanwhile (perhaps because the user suspects a thief) may not change anything.
  return { user, asking: await requireAsker(tx, user_id, asker) };
}

/**
 * Returns the hash that the current password matched: the change is made only if it is still the user's. Refuses with
 * `invalid_credentials` and `rate_limited`; `event` is recorded of a wrong one.
 */
export async function proveCurrentPassword(
  deps: AttemptDeps,
  { user_id, asker, current_password, source }: ProvedRequest,
  event: EventType,
): Promise<string | null> {
  const user = await requireUser(deps.db, user_id);
  const { place, client_id, session_id } = await requireAsker(deps.db, user_id, asker);
  const result = await attemptPassword(deps, {
    failureKey: onKnownDevice(place),
    user,
    password: current_password,
    event,
    client_id,
    ...(session_id === null ? {} : { session_id }),
    source,
  });
  if (result.outcome === 'refused') {
    const { reason } = result;
    throw new AppError('invalid_credentials', undefined, reason ? { reason } : {});
  }
  if (result.outcome === 'replace') throw new AppError('invalid_credentials');
  if (result.outcome === 'inactive') throw new AppError('invalid_token');
  return result.user.password_hash;
}
