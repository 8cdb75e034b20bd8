// Password hashes: argon2id of our strength for new ones. Knows nothing of users.
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { hash, verify } from '@node-rs/argon2';
import { createGate } from '../lib/gate.ts';

// OWASP's minimum for argon2id. The library's default algorithm is argon2id.
const strength = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
const current = `$argon2id$v=19$m=${strength.memoryCost},t=${strength.timeCost},p=${strength.parallelism}$`;

// Hashing runs in libuv's pool of four threads, which SQLite and DNS share: a storm of logins must leave them some.
const gate = createGate(Math.max(1, Math.min(availableParallelism(), 3)));

let decoy: Promise<string> | undefined;

/** Hashes a new password. */
export async function hashPassword(password: string): Promise<string> {
  return await gate(() => hash(normalized(password), strength));
}

/**
 * Whether `password` belongs to `stored`. Without a stored hash (no such user, or one without a password) it does the
 * same work on a decoy and says no, so that time does not tell who exists.
 */
export async function verifyPassword(password: string, stored: string | null): Promise<boolean> {
  decoy ??= hash(randomBytes(32), strength);
  const against = stored ?? (await decoy);
  const matches = await gate(() => verify(against, normalized(password)));
  return matches && stored !== null;
}

/** True when a hash is not of today's strength and wants to be replaced at the next login. */
export function isOutdated(stored: string): boolean {
  return !stored.startsWith(current);
}

// The same password typed on two systems may arrive in two Unicode forms (NIST SP 800-63B, 3.1.1.2).
function normalized(password: string): string {
  return password.normalize('NFKC');
}
