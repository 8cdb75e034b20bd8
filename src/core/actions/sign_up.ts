// A person asks for an account. Nothing of it exists until the code or link of the mail has proved the address (complete_sign_up.ts), and
// what was asked for lies sealed in that code. The answer and its cost are the same whether the address has an account or not.
import type { Knex } from 'knex';
import type { PeopleConfig } from '../../../config/people_config.ts';
import { digest, type Keyring } from '../../lib/crypto.ts';
import { AppError } from '../../lib/errors.ts';
import { networkOf } from '../../lib/network.ts';
import { takeRandom } from '../../lib/random.ts';
import { recordEvents } from '../audit/audit.ts';
import { type MailAllowance, takeMail } from '../limits/mail_limits.ts';
import type { RateLimits } from '../limits/rate_limits.ts';
import { enqueueMail } from '../mail/mails.ts';
import { issueCode } from '../one_time_codes/one_time_codes.ts';
import { mostTries, purposes } from '../one_time_codes/purposes.ts';
import { isAddressReserved } from '../one_time_codes/reserved_addresses.ts';
import { hashPassword, requireRoomToHash } from '../passwords/password_hash.ts';
import { requireStrongPassword } from '../passwords/password_policy.ts';
import type { RequestSource } from '../request_source.ts';
import { readClock } from '../store/sql_time.ts';
import { addressKey } from '../users/names.ts';
import { changeClaims } from '../users/profile_claims.ts';
import { isUsernameTaken, type ProfileClaims } from '../users/users.ts';
import { findProvedUser } from './take_address.ts';

/** The parts of `Deps` that sign-up needs. */
export interface SignUpDeps {
  db: Knex;
  keyring: Keyring;
  limits: RateLimits;
  config: Pick<PeopleConfig, 'signUp' | 'signUpDomains' | 'recovery'>;
}

export interface SignUpRequest {
  email: string;
  username?: string | undefined;
  password: string;
  /** As it was sent; `changeClaims` judges it. */
  claims?: unknown;
  /** The handle of an earlier request of the same browser, whose codes then go on to work. */
  sign_up_id?: string | undefined;
  source: RequestSource;
}

/** What lies sealed in the code of a request, and belongs to that request alone. */
export interface SignUpPayload {
  password_hash: string;
  username: string | null;
  claims: ProfileClaims | null;
}

/** Refuses with `not_found` where people do not sign up by themselves. */
export function requireOpenSignUp({ config }: Pick<SignUpDeps, 'config'>): void {
  if (config.signUp !== 'open') throw new AppError('not_found');
}

/**
 * Whether an address is of one of `SIGN_UP_DOMAINS`, which bind the addresses that users choose themselves, by a sign-up or a change;
 * else refuses with `email_domain_not_allowed`. Subdomains are domains of their own.
 */
export function requireAllowedDomain(signUpDomains: PeopleConfig['signUpDomains'], email: string): void {
  const domain = domainOf(email);
  const isAllowed = signUpDomains === null || signUpDomains.some((one) => domainOf(`x@${one}`) === domain);
  if (!isAllowed) throw new AppError('email_domain_not_allowed');
}

function domainOf(email: string): string {
  const key = addressKey(email);
  return key.slice(key.lastIndexOf('@') + 1);
}

/**
 * Takes a request for an account and returns its handle, `sign_up_id`, without which its code is worth nothing. Refuses with
 * `email_domain_not_allowed`, `invalid_claims`, `weak_password`, `username_taken` (usernames are public, addresses are not) and `rate_limited`; all of
 * these come before the password is hashed, and none of them depends on the address having an account.
 */
export async function requestSignUp(deps: SignUpDeps, request: SignUpRequest): Promise<string> {
  requireOpenSignUp(deps);
  const { db, limits, config } = deps;
  const { email, username, password, source } = request;
  const claims = request.claims === undefined ? null : changeClaims(null, request.claims, 'user');
  requireAllowedDomain(config.signUpDomains, email);
  await requireStrongPassword(password, { email, ...(username === undefined ? {} : { username }) });
  // Counted apart from mails, since it costs one statement: people try several usernames.
  await limits.anonymousRecords.consume(networkOf(source.ip));
  await requireFreeUsername(db, username);
  requireRoomToHash();
  const mail = await takeMail(limits, { address_key: addressKey(email), ip: source.ip });
  const password_hash = await hashPassword(password);
  const sign_up_id = await handleOf(db, request);
  // Without a mail nobody can know the code, so there is none.
  if (mail.isAllowed) {
    const payload = { password_hash, username: username ?? null, claims };
    await db.transaction((tx) => sendCode(tx, deps, { email, source, mail, request: sign_up_id, payload }));
  }
  return sign_up_id;
}

/**
 * Sends the link of a sign-up once more, to a person whose link does not work any more: the link asks for a password anyway. Answers
 * nothing, and refuses like {@link requestSignUp}.
 */
export async function requestSignUpLink(
  deps: SignUpDeps,
  { email, source }: Pick<SignUpRequest, 'email' | 'source'>,
): Promise<void> {
  requireOpenSignUp(deps);
  requireAllowedDomain(deps.config.signUpDomains, email);
  const mail = await takeMail(deps.limits, { address_key: addressKey(email), ip: source.ip });
  if (!mail.isAllowed) return;
  const nothing = { request: null, payload: null };
  await deps.db.transaction((tx) => sendCode(tx, deps, { email, source, mail, ...nothing }));
}

// A handle that was guessed at too often is not used again: a new code does not begin its count anew.
async function handleOf(db: Knex, { sign_up_id }: SignUpRequest): Promise<string> {
  const fresh = takeRandom(32).toString('base64url');
  if (sign_up_id === undefined) return fresh;
  const code = await db('one_time_codes')
    .where({ purpose: 'sign_up', request_digest: digest(sign_up_id) })
    .orderBy('id', 'desc')
    .first('tries');
  return code && code.tries < mostTries ? sign_up_id : fresh;
}

async function requireFreeUsername(db: Knex, username: string | undefined): Promise<void> {
  if (username === undefined) return;
  if (await isUsernameTaken(db, username)) throw new AppError('username_taken');
}

interface CodeRequest {
  email: string;
  source: RequestSource;
  mail: MailAllowance;
  /** The handle; null for a link alone. */
  request: string | null;
  payload: SignUpPayload | null;
}

// Both ways run the same statements: an address with an account gets a code as well, which is never sent and proves nothing.
async function sendCode(
  tx: Knex.Transaction,
  { keyring, config }: SignUpDeps,
  { email, source, mail, request, payload }: CodeRequest,
): Promise<void> {
  const user = await findProvedUser(tx, email);
  const isKnown = (await isAddressReserved(tx, email)) || user !== null;
  const { code, token, expires_at } = await issueCode(tx, keyring, {
    purpose: 'sign_up',
    // A code without an address creates no user (complete_sign_up.ts).
    address: isKnown ? null : email,
    request,
    ...(payload ? { payload } : {}),
    // The last mail for a while lives until the next one may come.
    ...(mail.isLast ? { linkTtl: Math.max(purposes.sign_up.link, mail.nextIn) } : {}),
  });
  const known = { code: null, path: config.recovery ? '/recover' : null };
  await enqueueMail(tx, {
    kind: isKnown ? 'sign_up_known' : 'sign_up',
    to: user?.email ?? email,
    // Also where the address has an account: who asks may be a stranger, whose device says nothing to its owner.
    isProved: false,
    ...(isKnown ? known : { code, path: `/sign-up/${token}` }),
    source,
    isLast: mail.isLast,
    at: await readClock(tx),
    expires_at,
  });
  // Without the address: the person may have asked for nothing, and the trail is never changed.
  await recordEvents(tx, [{ type: 'sign_up_requested', ...source }]);
}
