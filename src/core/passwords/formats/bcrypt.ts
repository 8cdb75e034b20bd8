// bcrypt, plain and in Django's form. Like every bcrypt it ignores all but the first 72 bytes of a password.
import { createHash } from 'node:crypto';
import { verify } from '@node-rs/bcrypt';
import type { HashReader } from './format.ts';

// `2x` marks hashes of a broken implementation, which cannot be verified without its bug.
const shape = /^(bcrypt\$|bcrypt_sha256\$)?(\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53})$/;

// Each step doubles the time; 14 takes about a second.
const maxCost = 14;

/**
 * Reads `$2a$`, `$2b$` and `$2y$`, and Django's `bcrypt$…` and `bcrypt_sha256$…`. A password of more than 72 bytes is
 * accepted when the first 72 match, as in the system that made the hash; the login then replaces the hash by one of all bytes.
 */
export const readBcrypt: HashReader = (stored) => {
  if (!/^(bcrypt(_sha256)?\$)?\$2/.test(stored)) return null;
  const [, wrapper, hash = '', digits] = shape.exec(stored) ?? [];
  const cost = Number(digits);
  if (!(cost >= 4 && cost <= 31)) return 'malformed_hash';
  if (cost > maxCost) return 'hash_too_costly';
  if (wrapper !== 'bcrypt_sha256$') return async (password) => await verify(password, hash);
  return async (password) => await verify(createHash('sha256').update(password).digest('hex'), hash);
};
