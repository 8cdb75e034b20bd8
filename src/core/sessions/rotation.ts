// The use of a refresh token, and where reuse is decided. A conditional UPDATE (rotating_update.ts) rotates the token of the current
// generation. For any other token `judge` decides: ended, expired, a retry within the window, or reuse. `punish` then ends the session
// and commits that before the client gets its answer.
import type { Knex } from 'knex';
import { recordEvents } from '../audit/audit.ts';
import type { NewEvent } from '../audit/audit_events.ts';
import { enqueueNotice } from '../mail/notices.ts';
import { type Db, isPostgres } from '../store/db.ts';
import { raiseTokenVersion } from '../users/user_changes.ts';
import { lockUser } from '../users/users.ts';
import { endSession } from './end_sessions.ts';
import { findPresented, isDue, type PresentedSession } from './presented_session.ts';
import { type Advance, advance, spendProof } from './rotating_update.ts';
import type { TokenSession } from './token_session.ts';

/**
 * The outcome of presenting a refresh token. `generation` is that of the token to hand out: `rotated` made it, `retried` hands
 * out the one that exists already. `replayed`: the proof of the request was used before, and nothing was decided.
 */
export type Rotation =
  | { outcome: 'rotated' | 'retried'; generation: number; session: TokenSession }
  | { outcome: 'reused' | 'ended' | 'expired' | 'unknown' | 'replayed' };

export interface Presented extends Advance {
  /** Seconds after a rotation in which its predecessor is answered again. */
  retry_window: number;
  /** The profile `observe`: reuse is recorded and answered, not punished. */
  observe: boolean;
  /** Whether reuse also makes the user's outstanding access tokens inactive. */
  raise_token_version: boolean;
}

type Advanced = Awaited<ReturnType<typeof advance>>;

/** The caller's part in the use of a token. */
export interface Caller {
  /**
   * Throws what refuses the request for another reason than the token's generation. Called with the session, or null when there is
   * none, before anything is written or decided.
   */
  check: (session: PresentedSession | null) => Promise<void>;
  /** Runs the UPDATE; null and `replayed` mean that nothing was rotated. */
  attempt: (rotate: () => Promise<Advanced>) => Promise<Advanced>;
}

/**
 * Uses a refresh token. Of concurrent calls the conditional UPDATE lets one rotate. The consequence of reuse is committed when this
 * returns, so reuse is an outcome and not an error, which would roll it back. `at` is for tests.
 */
export async function useRefreshToken(
  db: Db,
  presented: Presented,
  { check, attempt }: Caller,
  at?: Date,
): Promise<Rotation> {
  const read = async () => {
    const session = await findPresented(db, presented, at);
    await check(session);
    return session;
  };
  let session = await read();
  // Tried twice: on Postgres an UPDATE that waited while all other sessions of the user ended compares this session's new epoch
  // with the epoch that the user had before.
  for (let tries = 0; tries < 2 && isDue(session, presented.generation); tries += 1) {
    const due = session;
    const rotated = await attempt(() => advance(db, presented, due, at));
    if (rotated === 'replayed') return { outcome: rotated };
    if (rotated) return { outcome: 'rotated', generation: presented.generation + 1, session: rotated };
    session = await read();
  }
  if (!(await spendProof(db, presented.proof))) return { outcome: 'replayed' };
  const judged = judge(presented, session);
  if (judged === 'reused') return await db.transaction((tx) => punish(tx, presented, at));
  if (judged === 'observed') return await observe(db, presented, at);
  return judged;
}

function judge(presented: Presented, session: PresentedSession | null): Rotation | 'reused' | 'observed' {
  if (!session) return { outcome: 'unknown' };
  const { generation } = session;
  if (session.ended_at || !session.is_current) return { outcome: 'ended' };
  // The UPDATE should have accepted this generation, so the clock has moved: refuse, but do not treat it as reuse.
  if (session.is_expired || generation <= presented.generation) return { outcome: 'expired' };
  // Without a window nothing is answered again, even where the rotation came after the time that this statement began with.
  const mayRetry = generation === presented.generation + 1 && presented.retry_window > 0;
  if (mayRetry && session.in_window) return { outcome: 'retried', generation, session };
  return presented.observe ? 'observed' : 'reused';
}

// Judges again under both locks, user before session, because a logout may have come first.
async function punish(tx: Knex.Transaction, presented: Presented, at?: Date): Promise<Rotation> {
  const { session_id } = presented;
  const owner = await tx('sessions').where({ id: session_id }).first('user_id');
  const user = owner && (await lockUser(tx, owner.user_id));
  // A statement of its own, so that what follows sees the row as it is under the lock.
  if (isPostgres(tx)) await tx('sessions').where({ id: session_id }).forUpdate().first('id');
  const session = await findPresented(tx, presented, at);
  const judged = judge(presented, session);
  if (judged === 'observed' || !session) return { outcome: 'unknown' };
  if (judged !== 'reused') return judged;
  await recordEvents(tx, [reuseEvent('refresh_token_reused', presented, session)], at);
  await endSession(
    tx,
    session_id,
    { reason: 'reuse_detected', actor: 'system', source: presented.source },
    at,
  );
  if (presented.raise_token_version) await raiseTokenVersion(tx, session.user_id);
  if (user) await enqueueNotice(tx, user, 'reuse_detected', { source: presented.source });
  return { outcome: 'reused' };
}

async function observe(db: Db, presented: Presented, at?: Date): Promise<Rotation> {
  const session = await findPresented(db, presented, at);
  if (!session) return { outcome: 'unknown' };
  await recordEvents(db, [reuseEvent('refresh_token_reuse_observed', presented, session)], at);
  return { outcome: 'retried', generation: session.generation, session };
}

function reuseEvent(type: NewEvent['type'], presented: Presented, session: PresentedSession): NewEvent {
  const { id, user_id, client_id, generation } = session;
  return {
    type,
    user_id,
    session_id: id,
    client_id,
    actor: 'client',
    actor_id: client_id,
    detail: { presented_generation: presented.generation, current_generation: generation },
    ...presented.source,
  };
}
