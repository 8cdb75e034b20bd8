// Password hashes: new ones are argon2id; hashes that an import brought are verified. Knows nothing of users.
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
// The work of a login after its hash runs with cold caches and takes twice as long; groups of eight pay for that once.
const group = 8;
const gate = createConcurrencyGate(width, group);

// Not a parameter: every hash below a request waits in its queue, and no caller can forget to name the request.
const askers = new AsyncLocalStorage<Requester>();

/** Runs `work` for a request: its hashes wait in a bounded queue. Without a request, as in commands, there is no bound. */
export const onBehalfOf: <T>(asker: Requester, work: () => T) => T = (asker, work) => askers.run(asker, work);

/**
 * Refuses with `overloaded` when no further hash may wait for this request, or when its client has disconnected. Callers
 * that count something before they hash call it first.
 */
export function requireRoomToHash(): void {
  gate.requireRoom(askers.getStore());
}

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  return await gate(work, askers.getStore());
}

/**
 * Longest password that is verified, in UTF-16 code units: four times what may be chosen, since a user may type a form that
 * NFKC shortens. Normalizing takes quadratic time (names.ts), so nothing longer is normalized.
 */
export const maxPasswordLength = 1024;

let decoy: Promise<string> | undefined;

/** Hashes a password that the policy has accepted or that was verified before. */
export async function hashPassword(password: string): Promise<string> {
  return await inTurn(() => hash(normalized(password), strength));
}

/**
 * Whether `password` belongs to the hash `stored`. Without a hash (no such user, or a user without a password), with one that
 * cannot be read, and for a password that is too long, it does the same work on a decoy and returns false, so that the
 * duration does not reveal which users exist.
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

/** True when a hash is not of the current strength and is to be replaced at the next login. */
export function isOutdated(stored: string): boolean {
  return !stored.startsWith(current);
}

/**
 * Why a hash of another system cannot be imported, or null when it can. A hash that takes much more than a second is
 * refused, because a few logins with it would stall the server.
 */
export function problemOfHash(stored: string): HashProblem | 'unknown_hash_format' | null {
  const read = readHash(stored);
  if (read === null) return 'unknown_hash_format';
  return typeof read === 'string' ? read : null;
}

// All formats are ASCII.
function readHash(stored: string): HashVerifier | HashProblem | null {
  if (!/^[\x21-\x7e]{1,512}$/.test(stored)) return null;
  for (const read of readers) {
    const found = read(stored);
    if (found !== null) return found;
  }
  return null;
}

// Our hashes are of the normalized form. Other systems hashed what was typed, and a hash does not show where it is from.
async function verifySpellings(verify: HashVerifier, password: string): Promise<boolean> {
  const one = normalized(password);
  return (await verify(one)) || (one !== password && (await verify(password)));
}

// Two systems may send the same password in two Unicode forms (NIST SP 800-63B, 3.1.1.2).
function normalized(password: string): string {
  return password.normalize('NFKC');
}
