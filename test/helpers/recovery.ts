// Recovery without a server: what its actions need, and the codes and links out of the outbox.
import type { ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import type { RateLimitSettings } from '../../config/rate_limits.ts';
import { completeRecovery, type RecoveryProof } from '../../src/core/actions/recover.ts';
import { requestRecovery } from '../../src/core/actions/request_recovery.ts';
import type { Deps } from '../../src/core/deps.ts';
import type { NewUser } from '../../src/core/users/user_changes.ts';
import { AppError } from '../../src/lib/errors.ts';
import { keyring, makeUser, type NamedUser, source } from './builders.ts';
import { enableMail, secretOf, waitingMails } from './outbox_mails.ts';
import { openLoginDeps } from './password_attempts.ts';

export type RecoveryDeps = Pick<Deps, 'db' | 'keyring' | 'limits' | 'audit' | 'clock'>;

/** A new password. */
export const fresh = 'hedgehogs prefer quiet evenings';

/** What the actions need, with wide limits unless `settings` name others. Mails wait in the outbox. */
export async function openRecoveryDeps(
  t: ExecutionContext,
  db: Knex,
  settings: Partial<RateLimitSettings> = {},
): Promise<RecoveryDeps> {
  enableMail(db);
  const { limits, audit } = await openLoginDeps(t, db, settings);
  return { db, keyring, limits, audit, clock: { now: Date.now, offset: () => 0, close: () => {} } };
}

/** A user with a verified address. */
export async function makeReachable(
  db: Knex,
  given: Partial<NewUser> = {},
): Promise<NamedUser & { email: string }> {
  const { username = `user-${crypto.randomUUID()}`, ...rest } = given;
  const email = `${username}@mail.example`;
  return { ...(await makeUser(db, { username, email, email_verified: true, ...rest })), email };
}

/** Asks for a recovery and returns its handle. */
export async function ask(
  deps: RecoveryDeps,
  login: string,
  recovery_id: string | null = null,
  ip: string = source.ip,
): Promise<string> {
  return await requestRecovery(deps, { login, recovery_id, source: { ...source, ip } });
}

export interface MailedCode {
  code: string;
  token: string;
}

/** The codes and links that wait in the outbox for an address, oldest first. */
export async function mailedTo(db: Knex, address: string): Promise<MailedCode[]> {
  const mails = (await waitingMails(db)).filter(({ kind, to }) => kind === 'recover' && to === address);
  return mails.map((mail) => ({ code: mail.code ?? '', token: secretOf(mail) }));
}

/** Asks, and returns the handle with the code and the link of its mail. */
export async function askAndRead(
  deps: RecoveryDeps,
  user: { email: string },
  recovery_id: string | null = null,
): Promise<MailedCode & { recovery_id: string }> {
  const id = await ask(deps, user.email, recovery_id);
  const newest = (await mailedTo(deps.db, user.email)).at(-1);
  if (!newest) throw new Error(`no mail to ${user.email}`);
  return { ...newest, recovery_id: id };
}

/** Completes a recovery: `done`, or the code of the refusal. */
export async function recover(
  deps: RecoveryDeps,
  proof: RecoveryProof,
  new_password = fresh,
): Promise<string> {
  try {
    await completeRecovery(deps, { proof, new_password, source });
    return 'done';
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
}

/** A code of six digits that is none of these. */
export function wrongCode(...codes: string[]): string {
  for (let n = 0; ; n += 1) {
    const code = String(n).padStart(6, '0');
    if (!codes.includes(code)) return code;
  }
}
