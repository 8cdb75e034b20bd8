// PBKDF2 (RFC 8018) in Django's form: `pbkdf2_sha256$iterations$salt$base64`.
import { pbkdf2 } from 'node:crypto';
import { promisify } from 'node:util';
import { compareDerived, decodeBase64, type HashReader } from './format.ts';

const derive = promisify(pbkdf2);
const shape = /^pbkdf2_sha256\$(\d{1,10})\$([^$]+)\$([^$]+)$/;

// About a second; Django 6.1 makes 1.5 million.
const maxIterations = 2_000_000;

export const readPbkdf2: HashReader = (stored) => {
  if (!stored.startsWith('pbkdf2_sha256$')) return null;
  const [, digits, salt = '', base64 = ''] = shape.exec(stored) ?? [];
  const iterations = Number(digits);
  const expected = decodeBase64(base64, 32, 32);
  if (!(iterations >= 1) || !expected) return 'malformed_hash';
  if (iterations > maxIterations) return 'hash_too_costly';
  return compareDerived(expected, (password, length) => derive(password, salt, iterations, length, 'sha256'));
};
