// What every "this was not me" does: all sessions of the user end, the password is good for nothing, and recovery starts.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { recordEvents } from '../audit/audit.ts';
import type { Deps } from '../deps.ts';
import { enqueueMail } from '../mail/mails.ts';
import { issueCode } from '../one_time_codes/one_time_codes.ts';
import type { RequestSource } from '../request_source.ts';
import { beginEndingAll } from '../sessions/end_many.ts';
import type { BegunEnding } from '../sessions/pending_endings.ts';
import { present, readClock } from '../store/sql_time.ts';
import { isActive } from '../users/active_users.ts';
import { displayName, lockUser, type User } from '../users/users.ts';

/** The parts of `Deps` that it needs. */
export type ShutOutDeps = Pick<Deps, 'db' | 'keyring'> & { config: Pick<Deps['config'], 'recovery'> };

export interface ShutOut {
  user_id: string;
  reason: 'address_undone' | 'not_me';
  /** Recorded with the event. */
  detail?: Record<string, unknown>;
  source: RequestSource;
}

/** The end of it: what is still to end, and the address that the link for a new password went to. */
export interface HasShutOut {
  begun: BegunEnding;
  user: User;
  recoveryTo: string | null;
}

const events = { address_undone: 'email_change_undone', not_me: 'not_me_reported' } as const;

/** Shuts everybody out of an account, in the caller's transaction, which has locked the user's row. */
export async function shutOut(
  tx: Knex.Transaction,
  { keyring, config }: ShutOutDeps,
  { user_id, reason, detail, source }: ShutOut,
): Promise<HasShutOut> {
  await tx('users')
    .where({ id: user_id })
    .update({ password_use: 'recover', updated_at: present(tx) })
    .increment({ token_version: 1, code_version: 1 });
  const by = { actor: 'user', actor_id: user_id } as const;
  await recordEvents(tx, [{ type: events[reason], user_id, ...by, detail: detail ?? null, ...source }]);
  const begun = await beginEndingAll(tx, user_id, { reason, ...by, source });
  const user = await lockUser(tx, user_id);
  if (!user) throw new AppError('user_not_found');
  // Not counted by the limits of mail, which a thief may have used up: the link of a mail has asked for it, once.
  const to = config.recovery && user.email_verified_at && (await isActive(tx, user)) ? user.email : null;
  if (to !== null) await sendRecovery(tx, keyring, { user, to, source });
  return { begun, user, recoveryTo: to };
}

async function sendRecovery(
  tx: Knex.Transaction,
  keyring: ShutOutDeps['keyring'],
  { user, to, source }: { user: User; to: string; source: RequestSource },
): Promise<void> {
  const { token, expires_at } = await issueCode(tx, keyring, { purpose: 'recover', user, address: to });
  await enqueueMail(tx, {
    ...{ kind: 'recover', to, user_id: user.id, isProved: true, path: `/recover/${token}`, expires_at },
    zoneinfo: user.claims?.zoneinfo,
    facts: { name: displayName(user) },
    source: { ip: source.ip, user_agent: source.user_agent },
    at: await readClock(tx),
  });
}
