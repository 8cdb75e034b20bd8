// What a reader of stored hashes returns, and what the readers share.
import { equalBytes } from '../../../lib/crypto.ts';

/** Why a stored hash cannot be verified; the report of an import names these codes. */
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

/** The bytes of a base64 text, padded or not; null when it is not base64 or of another length. */
export function decodeBase64(text: string, min: number, max: number): Buffer | null {
  const bytes = Buffer.from(text, 'base64');
  // Node skips characters that are not base64; encoding the bytes again shows whether it skipped any.
  if (bytes.toString('base64').replace(/=+$/, '') !== text.replace(/=+$/, '')) return null;
  return bytes.length >= min && bytes.length <= max ? bytes : null;
}
