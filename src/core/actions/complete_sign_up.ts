// A sign-up is completed: by its code, together with the request that asked for it, or by its link with a new password. The user exists
// from then on, with an address that was proved.
import type { Knex } from 'knex';
import { AppError } from '../../lib/errors.ts';
import { networkOf } from '../../lib/network.ts';
import { guessCode } from '../one_time_codes/guesses.ts';
import { type OneTimeCode, payloadOf } from '../one_time_codes/one_time_codes.ts';
import { findLink, spendCode } from '../one_time_codes/spend.ts';
import { hashPassword, requireRoomToHash } from '../passwords/password_hash.ts';
import { requireStrongPassword } from '../passwords/password_policy.ts';
import type { RequestSource } from '../request_source.ts';
import { createUser, type NewUser } from '../users/user_changes.ts';
import type { User } from '../users/users.ts';
import { recordEventOf } from './initiator.ts';
import { requireOpenSignUp, type SignUpDeps, type SignUpPayload } from './sign_up.ts';
import { takeAddress } from './take_address.ts';

export interface SignUpByCode {
  sign_up_id: string;
  code: string;
  /** Instead of the one of the request, which may have been taken meanwhile. */
  username?: string | undefined;
  source: RequestSource;
}

/**
 * Creates the user of a request whose code came back, with the password, username and claims of that request. Refuses with
 * `invalid_code` and, without spending the code, with `username_taken`.
 */
export async function completeSignUp(
  deps: SignUpDeps,
  { sign_up_id, code, username, source }: SignUpByCode,
): Promise<User> {
  requireOpenSignUp(deps);
  const { db, keyring, limits } = deps;
  await limits.anonymousRecords.consume(networkOf(source.ip));
  const found = await guessCode(db, keyring, { purpose: 'sign_up', request: sign_up_id, code });
  if (!found) throw new AppError('invalid_code');
  const asked = payloadOf(keyring, found) as SignUpPayload;
  return await createProved(db, found, { ...asked, username: username ?? asked.username }, source);
}

export interface SignUpByLink {
  token: string;
  username?: string | undefined;
  password: string;
  source: RequestSource;
}

/**
 * Creates the user of a link. Password, username and claims of the request are dropped, because somebody else may have typed them.
 * Refuses like {@link completeSignUp}, and with `weak_password`.
 */
export async function completeSignUpByLink(
  deps: SignUpDeps,
  { token, username, password, source }: SignUpByLink,
): Promise<User> {
  requireOpenSignUp(deps);
  const { db, limits } = deps;
  await limits.anonymousRecords.consume(networkOf(source.ip));
  const { state, code } = await findLink(db, 'sign_up', token);
  if (state !== 'alive' || !code) throw new AppError('invalid_code');
  const owner = { email: code.address, ...(username === undefined ? {} : { username }) };
  await requireStrongPassword(password, owner);
  requireRoomToHash();
  const password_hash = await hashPassword(password);
  return await createProved(db, code, { password_hash, username: username ?? null }, source);
}

async function createProved(
  db: Knex,
  code: OneTimeCode,
  given: NewUser,
  source: RequestSource,
): Promise<User> {
  const { address } = code;
  if (address === null) throw new AppError('invalid_code');
  try {
    return await db.transaction(async (tx) => {
      const user = await spendAndCreate(tx, code, { ...given, email: address });
      const initiator = { actor: 'user', actor_id: user.id, source } as const;
      await recordEventOf(tx, initiator, { type: 'user_signed_up', user_id: user.id });
      return user;
    });
  } catch (error) {
    // The address has got a user meanwhile, which makes the code void.
    if (error instanceof AppError && error.code === 'email_taken') throw new AppError('invalid_code');
    throw error;
  }
}

/**
 * Spends a code whose address has no user, and creates the user with that address as a proved one. Refuses with `invalid_code`,
 * `email_taken` and `username_taken`; the transaction then changes nothing.
 */
export async function spendAndCreate(
  tx: Knex.Transaction,
  code: OneTimeCode,
  given: NewUser & { email: string },
): Promise<User> {
  await takeAddress(tx, { address: given.email, user_id: null });
  if (!(await spendCode(tx, code))) throw new AppError('invalid_code');
  return await createUser(tx, { ...given, email_verified: true });
}
