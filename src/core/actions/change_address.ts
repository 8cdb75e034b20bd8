// A user changes the address, or proves the present one. Nothing changes until the code or link of the mail and a session or login of that
// user come together: a mistyped address must not hand the account to the owner of that mailbox. The request tells nothing about others.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { recordEvents } from '../audit/audit.ts';
import type { Deps } from '../deps.ts';
import { withLimit } from '../limits/attempts.ts';
import { type MailAllowance, takeMail } from '../limits/mail_limits.ts';
import { enqueueMail } from '../mail/mails.ts';
import { type MailSettings, sendsMail } from '../mail/sends_mail.ts';
import { guessCode } from '../one_time_codes/guesses.ts';
import { issueCode, type OneTimeCode } from '../one_time_codes/one_time_codes.ts';
import { purposes } from '../one_time_codes/purposes.ts';
import { findProvedSpelling } from '../one_time_codes/reserved_addresses.ts';
import { spendCode } from '../one_time_codes/spend.ts';
import { requireRoomToHash } from '../passwords/password_hash.ts';
import type { RequestSource } from '../request_source.ts';
import { present, readClock } from '../store/sql_time.ts';
import { isActive } from '../users/active_users.ts';
import { addressKey } from '../users/names.ts';
import { updateUser } from '../users/user_changes.ts';
import { lockUser, type User } from '../users/users.ts';
import {
  type Asker,
  lockAsker,
  type ProvedRequest,
  proveCurrentPassword,
  requireAsker,
  requireUser,
} from './asker.ts';
import { returnToAddress, tellFormerAddresses } from './former_addresses.ts';
import { requireAllowedDomain } from './sign_up.ts';
import { takeAddress } from './take_address.ts';

/** The parts of `Deps` that a change of the address needs. */
export type AddressDeps = Pick<Deps, 'db' | 'keyring' | 'limits' | 'audit'> & {
  config: Pick<Deps['config'], 'signUpDomains'> & MailSettings;
};

export interface AddressRequest extends ProvedRequest {
  /** As the schema `email` of names.ts returns it. */
  email: string;
}

/**
 * Sends a code and a link to the address, which waits until one of them comes back. The outcome is the same for an address that belongs to
 * another user; the mail then says so, without a code. Refuses with `not_found` where no mail can be sent, `email_domain_not_allowed`,
 * `password_not_set`, `invalid_credentials` and `rate_limited`.
 */
export async function requestAddressChange(deps: AddressDeps, request: AddressRequest): Promise<void> {
  const { email, user_id } = request;
  if (!sendsMail(deps.config)) throw new AppError('not_found');
  const user = await requireUser(deps.db, user_id);
  if (user.password_hash === null) throw new AppError('password_not_set');
  // The present address may be proved wherever it is.
  if (user.email === null || addressKey(user.email) !== addressKey(email))
    requireAllowedDomain(deps.config.signUpDomains, email);
  requireRoomToHash();
  await withLimit(deps.limits.addressChange, [user.id], async () => {
    const proved = await proveCurrentPassword(deps, request, 'email_change_failed');
    const mail = await takeMail(deps.limits, { address_key: addressKey(email), ip: request.source.ip });
    // Without a mail nobody can know a code, and those that are out go on to work.
    if (mail.isAllowed) await deps.db.transaction((tx) => sendCode(tx, deps, { ...request, proved, mail }));
  });
}

async function sendCode(
  tx: Knex.Transaction,
  { keyring }: AddressDeps,
  { proved, mail, ...request }: AddressRequest & { proved: string | null; mail: MailAllowance },
): Promise<void> {
  const { email, user_id, asker, source } = request;
  const { user, asking } = await lockAsker(tx, user_id, asker);
  if (user.password_hash !== proved) throw new AppError('invalid_credentials');
  await dropPending(tx, user_id, email);
  await issueAndMail(tx, keyring, { user, email, mail, source });
  const { session_id, client_id } = asking;
  const by = { user_id, session_id, client_id, actor: 'user', actor_id: user_id } as const;
  await recordEvents(tx, [{ type: 'email_change_requested', ...by, ...source }]);
}

async function issueAndMail(
  tx: Knex.Transaction,
  keyring: AddressDeps['keyring'],
  { user, email, mail, source }: { user: User; email: string; mail: MailAllowance; source: RequestSource },
): Promise<void> {
  const taken = await findProvedSpelling(tx, email, user.id);
  // Also where the address is taken, so that the profile shows it as waiting; that code is in no mail.
  const { code, token, expires_at } = await issueCode(tx, keyring, {
    purpose: 'verify_email',
    user,
    address: email,
    request: user.id,
    ...(mail.isLast ? { linkTtl: Math.max(purposes.verify_email.link, mail.nextIn) } : {}),
  });
  await enqueueMail(tx, {
    ...(taken === null
      ? { kind: 'verify_email', to: email, code, path: `/verify-email/${token}` }
      : { kind: 'verify_email_known', to: taken }),
    user_id: taken === null ? user.id : null,
    ...{ isProved: false, isLast: mail.isLast },
    source,
    at: await readClock(tx),
    expires_at,
  });
}

/**
 * Sends a new code and link to the address of an expired link (`findLink`), whose user has not changed since. Whoever has the mailbox asks:
 * the request that was proved by a password goes on to wait, and nothing else happens.
 */
export async function sendAddressCodeAgain(
  { db, keyring, limits }: AddressDeps,
  { user_id, address, code_version }: OneTimeCode,
  source: RequestSource,
): Promise<void> {
  if (user_id === null || address === null) return;
  const mail = await takeMail(limits, { address_key: addressKey(address), ip: source.ip });
  if (!mail.isAllowed) return;
  await db.transaction(async (tx) => {
    const user = await lockUser(tx, user_id);
    if (!user || !(await isActive(tx, user)) || user.code_version !== code_version) return;
    await issueAndMail(tx, keyring, { user, email: address, mail, source });
  });
}

// One address waits: a code for another one that was asked for before is void.
async function dropPending(tx: Knex.Transaction, user_id: string, email: string): Promise<void> {
  await tx('one_time_codes')
    .where({ purpose: 'verify_email', user_id })
    .whereNull('used_at')
    .whereNot({ address_key: addressKey(email) })
    .update({ used_at: present(tx) });
}

/** What stands for the user beside the mailbox: a live session or browser session, or a login that was just verified. */
export type Prover = { asker: Asker } | { login: Pick<User, 'id' | 'password_hash' | 'session_epoch'> };

/** The same by the six digits, which a session of the user enters. Refuses with `invalid_code`, also where nothing waits. */
export async function verifyAddressByCode(
  deps: AddressDeps,
  { user_id, code, asker, source }: { user_id: string; code: string; asker: Asker; source: RequestSource },
): Promise<void> {
  const found = await guessCode(deps.db, deps.keyring, { purpose: 'verify_email', request: user_id, code });
  if (!found) throw new AppError('invalid_code');
  await verifyAddress(deps, found, { asker }, source);
}

/**
 * Makes the address of a code the user's, as a proved one. The former one, if it was proved, can undo that for seven days, unless the change
 * goes back to an address before it. Refuses with `invalid_code`, with `email_taken` when another user has proved the address meanwhile
 * (the code is not spent), and with `invalid_token` when the session, login or user is gone.
 */
export async function verifyAddress(
  deps: AddressDeps,
  code: OneTimeCode,
  prover: Prover,
  source: RequestSource,
): Promise<void> {
  await deps.db.transaction((tx) => verifyInTransaction(tx, deps, code, prover, source));
}

async function verifyInTransaction(
  tx: Knex.Transaction,
  { keyring }: AddressDeps,
  code: OneTimeCode,
  prover: Prover,
  source: RequestSource,
): Promise<void> {
  const { user_id, address } = code;
  if (user_id === null || address === null) throw new AppError('invalid_code');
  const before = await takeAddress(tx, { address, user_id });
  if (!before || !(await isActive(tx, before))) throw new AppError('invalid_token');
  const { session_id, client_id } = await requireProver(tx, before, prover);
  if (!(await spendCode(tx, code))) throw new AppError('invalid_code');
  const isReturn = await returnToAddress(tx, user_id, address);
  const user = await updateUser(tx, user_id, { email: address, email_verified: true });
  if (!user) throw new AppError('invalid_token');
  const former = before.email !== null && before.email_verified_at ? before.email : null;
  const isChanged = before.email === null || addressKey(before.email) !== addressKey(address);
  if (isChanged) await tellFormerAddresses(tx, keyring, { user, former, isReturn, source });
  const by = { user_id, session_id, client_id, actor: 'user', actor_id: user_id } as const;
  await recordEvents(tx, [{ type: 'email_changed', ...by, detail: { is_new: isChanged }, ...source }]);
}

async function requireProver(
  tx: Knex.Transaction,
  user: User,
  prover: Prover,
): Promise<{ session_id: string | null; client_id: string | null }> {
  if ('asker' in prover) return await requireAsker(tx, user.id, prover.asker);
  const { id, password_hash, session_epoch } = prover.login;
  if (id !== user.id || password_hash !== user.password_hash || session_epoch !== user.session_epoch)
    throw new AppError('invalid_token');
  return { session_id: null, client_id: null };
}
