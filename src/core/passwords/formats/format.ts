// What the formats of stored password hashes have in common.
import { equalBytes } from '../../../lib/crypto.ts';

/** Why a stored hash cannot be verified here; the words stand in the report of an import. */
export type HashProblem = 'malformed_hash' | 'hash_too_costly';

/** Whether a password, exactly as given, is the one that was hashed. */
export type HashVerifier = (password: string) => Promise<boolean>;

/** Reads a stored hash without computing anything; null when it is of another format. */
export type HashReader = (stored: string) => HashVerifier | HashProblem | null;

/** A verifier that derives a key of the expected length and compares it in constant time. */
export function compareDerived(
  expected: Buffer,
  derive: (password: string, length: number) => Promise<Buffer>,
): HashVerifier {
  return async (password) => equalBytes(await derive(password, expected.length), expected);
}

/** The bytes of base64, padded or not, or null when the text is no such thing or of another length. */
export function decodeBase64(text: string, min: number, max: number): Buffer | null {
  const bytes = Buffer.from(text, 'base64');
  // Node skips what is no base64; what it has skipped is missing when it is written again.
  if (bytes.toString('base64').replace(/=+$/, '') !== text.replace(/=+$/, '')) return null;
  return bytes.length >= min && bytes.length <= max ? bytes : null;
}
