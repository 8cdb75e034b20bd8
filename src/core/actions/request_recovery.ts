// Asking for a code and a link to set a new password. One answer at one cost, whether the name belongs to somebody or not.
import { newId } from '../../lib/ids.ts';
import { takeRandom } from '../../lib/random.ts';
import type { Deps } from '../deps.ts';
import { noMailbox, takeMail } from '../limits/mail_limits.ts';
import { enqueueMail, enqueueNoMail } from '../mail/mails.ts';
import { issueCode } from '../one_time_codes/one_time_codes.ts';
import { purposes } from '../one_time_codes/purposes.ts';
import type { RequestSource } from '../request_source.ts';
import { isActive } from '../users/active_users.ts';
import { addressKey, loginKey, maxNameLength } from '../users/names.ts';
import { displayName, findUserByLogin, lockUser, type User } from '../users/users.ts';

export interface RecoveryRequest {
  /** A username or an address, as typed. */
  login: string;
  /** The handle of an earlier request, which is kept; else there is a new one. */
  recovery_id?: string | null;
  source: RequestSource;
}

/**
 * Sends a code and a link to the verified address of an active user, through the outbox, and returns the handle without which the code
 * is worth nothing. For everybody else the same statements run and no mail goes out. Where the mailbox has had its mails, no code is
 * issued, so those that are out stay good. Refuses with `rate_limited` when the network has asked too often.
 */
export async function requestRecovery(
  { db, keyring, limits, audit, clock }: Pick<Deps, 'db' | 'keyring' | 'limits' | 'audit' | 'clock'>,
  { login, recovery_id, source }: RecoveryRequest,
): Promise<string> {
  const id = recovery_id ?? takeRandom(32).toString('base64url');
  const at = new Date(clock.now());
  const found = await findUserByLogin(db, login);
  const user = found && (await isRecoverable(db, found, at)) ? found : null;
  const typed = login.length <= maxNameLength ? loginKey(login) : '';
  const address_key = user?.email ? addressKey(user.email) : noMailbox(typed);
  const allowance = await takeMail(limits, { address_key, ip: source.ip });
  const reason = user ? (allowance.isAllowed ? null : 'mail_limited') : 'no_address';
  audit.add({ type: 'recovery_requested', user_id: found?.id ?? null, client_id: null, reason, ...source });
  if (!allowance.isAllowed) return id;
  const linkTtl = allowance.isLast
    ? Math.max(purposes.recover.link, allowance.nextIn)
    : purposes.recover.link;
  await db.transaction(async (tx) => {
    // First, as guesses and completions do. The code carries the version that was read before: if the address has changed since, it is void.
    await lockUser(tx, user?.id ?? newId());
    const address = user?.email ?? null;
    const issued = await issueCode(tx, keyring, { purpose: 'recover', user, address, request: id, linkTtl });
    const mail = {
      kind: 'recover',
      to: address ?? '',
      user_id: user?.id ?? null,
      isProved: true,
      code: issued.code,
      path: `/recover/${issued.token}`,
      zoneinfo: user?.claims?.zoneinfo,
      facts: { name: user ? displayName(user) : login.slice(0, 64) },
      isLast: allowance.isLast,
      source: { ip: source.ip, user_agent: source.user_agent },
      at,
      expires_at: issued.expires_at,
    } as const;
    await (user ? enqueueMail(tx, mail) : enqueueNoMail(tx, mail));
  });
  return id;
}

async function isRecoverable(db: Deps['db'], user: User, at: Date): Promise<boolean> {
  return user.email !== null && user.email_verified_at !== null && (await isActive(db, user, at));
}
