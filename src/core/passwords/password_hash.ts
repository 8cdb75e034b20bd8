// Password hashes: argon2id of our strength for new ones; whatever an import brought is verified. Knows nothing of users.
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { hash } from '@node-rs/argon2';
import { createConcurrencyGate, type Requester } from '../../lib/concurrency_gate.ts';
import { readArgon2 } from './formats/argon2.ts';
import { readBcrypt } from './formats/bcrypt.ts';
import type { HashProblem, HashVerifier } from './formats/format.ts';
import { readPbkdf2 } from './formats/pbkdf2.ts';
import { readScrypt } from './formats/scrypt.ts';

// OWASP's minimum for argon2id. The library's default algorithm is argon2id.
const strength = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
const current = `$argon2id$v=19$m=${strength.memoryCost},t=${strength.timeCost},p=${strength.parallelism}$`;

const readers = [readArgon2, readBcrypt, readPbkdf2, readScrypt];

// Hashing runs in libuv's pool of four threads, which SQLite and DNS share: a storm of logins must leave them some.
const width = Math.max(1, Math.min(availableParallelism(), 3));
// What a login does after its hash finds cold caches and costs twice as much; eight together pay for that once.
const group = 8;
const gate = createConcurrencyGate(width, group);

// Not a parameter: whatever hashes below a request waits in line for it, and no door can forget to say for whom.
const askers = new AsyncLocalStorage<Requester>();

/** Does something on behalf of a request: hashes in it wait in line, within limits. Without, as in commands, there are none. */
export const onBehalfOf: <T>(asker: Requester, work: () => T) => T = (asker, work) => askers.run(asker, work);

/**
 * Refuses with `overloaded` when no further hash may wait for this request, or its client has hung up; for those who count
 * something before they hash.
 */
export function requireRoomToHash(): void {
  gate.requireRoom(askers.getStore());
}

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  return await gate(work, askers.getStore());
}

/**
 * Longest password that is looked at, in UTF-16 code units: four times what may be chosen, since a form that NFKC shortens
 * may be typed. Normalizing costs quadratic time (names.ts), so nothing longer is normalized.
 */
export const maxPasswordLength = 1024;

let decoy: Promise<string> | undefined;

/** Hashes a new password, which the policy has accepted or which was verified before. */
export async function hashPassword(password: string): Promise<string> {
  return await inTurn(() => hash(normalized(password), strength));
}

/**
 * Whether `password` belongs to `stored`. Without a stored hash (no such user, or one without a password) and with one
 * that cannot be read it does the same work on a decoy and says no, so that time does not tell who exists; likewise for a
 * password that is longer than any can be.
 */
export async function verifyPassword(password: string, stored: string | null): Promise<boolean> {
  const isTooLong = password.length > maxPasswordLength;
  const verify = stored === null || isTooLong ? null : readHash(stored);
  if (typeof verify === 'function') return await inTurn(() => verifySpellings(verify, password));
  decoy ??= hash(randomBytes(32), strength);
  const pretend = readArgon2(await decoy) as HashVerifier;
  await inTurn(() => verifySpellings(pretend, isTooLong ? '' : password));
  return false;
}

/** True when a hash is not of today's strength and wants to be replaced at the next login. */
export function isOutdated(stored: string): boolean {
  return !stored.startsWith(current);
}

/**
 * Why a hash from elsewhere cannot be taken over, or null when it can. What would cost much more than a second is
 * refused: it would be an import that lets anybody stall the server with a few logins.
 */
export function problemOfHash(stored: string): HashProblem | 'unknown_hash_format' | null {
  const read = readHash(stored);
  if (read === null) return 'unknown_hash_format';
  return typeof read === 'string' ? read : null;
}

// The formats are ASCII; anything else could not even be stored everywhere.
function readHash(stored: string): HashVerifier | HashProblem | null {
  if (!/^[\x21-\x7e]{1,512}$/.test(stored)) return null;
  for (const read of readers) {
    const found = read(stored);
    if (found !== null) return found;
  }
  return null;
}

// Ours are of the normalized form; other systems hashed what was typed, and a hash does not tell where it is from.
async function verifySpellings(verify: HashVerifier, password: string): Promise<boolean> {
  const one = normalized(password);
  return (await verify(one)) || (one !== password && (await verify(password)));
}

// The same password typed on two systems may arrive in two Unicode forms (NIST SP 800-63B, 3.1.1.2).
function normalized(password: string): string {
  return password.normalize('NFKC');
}
