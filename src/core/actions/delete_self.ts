// A user deletes the own account. It ends, and erases, what a deletion by an administrator does (user_status.ts), after a proof of the
// user, and a last mail says so.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { withLimit } from '../limits/attempts.ts';
import { enqueueNotice } from '../mail/notices.ts';
import type { AttemptDeps } from '../passwords/login_attempts.ts';
import type { RequestSource } from '../request_source.ts';
import { type BegunEnding, finishEnding } from '../sessions/pending_endings.ts';
import { requireAnotherAdmin } from '../users/administrators.ts';
import { type Asker, lockAsker, proveCurrentPassword, requireUser } from './asker.ts';
import { writeStatus } from './user_status.ts';

export interface SelfDeletion {
  user_id: string;
  /** The session, or the browser session at our pages, that asks. */
  asker: Asker;
  current_password: string | undefined;
  /** Throws unless the login of the asker is recent: the proof of a user who has no password. */
  requireRecentLogin: () => void;
  source: RequestSource;
}

/**
 * Deletes the user who asks: all sessions end (`user_deleted`), personal data, codes and waiting mails are erased, and a last mail to the
 * verified address is queued, in one transaction. Once it has returned, nothing of the user works. Wrong passwords count like those of a
 * change of the password. Refuses with `invalid_request` without the password, `invalid_credentials`, `rate_limited`, `last_admin`, and
 * `invalid_token` when the session or its user is gone.
 */
export async function deleteSelf(deps: AttemptDeps, deletion: SelfDeletion): Promise<void> {
  const { password_hash } = await requireUser(deps.db, deletion.user_id);
  if (password_hash === null) {
    deletion.requireRecentLogin();
    const begun = await deps.db.transaction((tx) => deleteProved(tx, deletion, null));
    if (!begun) throw new AppError('invalid_credentials');
    await finishEnding(deps.db, begun);
    return;
  }
  const { current_password } = deletion;
  if (!current_password) throw new AppError('invalid_request', 'current_password: is required');
  await withLimit(deps.limits.passwordChange, [deletion.user_id], () =>
    proveAndDelete(deps, { ...deletion, current_password }),
  );
}

async function proveAndDelete(
  deps: AttemptDeps,
  deletion: SelfDeletion & { current_password: string },
): Promise<void> {
  // Twice, for the reason given in password_change.ts.
  for (let round = 0; round < 2; round += 1) {
    const proved = await proveCurrentPassword(deps, deletion, 'user_deletion_failed');
    const begun = await deps.db.transaction((tx) => deleteProved(tx, deletion, proved));
    if (!begun) continue;
    await finishEnding(deps.db, begun);
    return;
  }
  throw new AppError('invalid_credentials');
}

// Null when the hash that was verified is no longer the user's.
async function deleteProved(
  tx: Knex.Transaction,
  { user_id, asker, source }: SelfDeletion,
  proved: string | null,
): Promise<BegunEnding | null> {
  await requireAnotherAdmin(tx, user_id);
  const { user } = await lockAsker(tx, user_id, asker);
  if (user.password_hash !== proved) return null;
  // Before the row and the former addresses are erased; it is the one mail of the user that stays.
  await enqueueNotice(tx, user, 'user_deleted', { source });
  const change = { status: 'deleted', actor: 'user', actor_id: user_id, source } as const;
  return (await writeStatus(tx, user, change)).begun;
}
