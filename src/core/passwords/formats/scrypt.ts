// scrypt (RFC 7914) in two encodings: Django's and the PHC string, which passlib and others write.
import { type ScryptOptions, scrypt } from 'node:crypto';
import {
  compareDerived,
  decodeBase64,
  type HashProblem,
  type HashReader,
  type HashVerifier,
} from './format.ts';

// `scrypt$N$salt$r$p$base64`, the salt as it is.
const django = /^scrypt\$(\d{1,10})\$([^$]+)\$(\d{1,5})\$(\d{1,5})\$([^$]+)$/;
// `$scrypt$ln=log2(N),r=…,p=…$salt$key`, both in base64 without padding.
const phc = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,5}),p=(\d{1,5})\$([^$=]+)\$([^$=]+)$/;

// N * r * p: 2^20 takes 128 MiB and about a second, and is what OWASP asks for (N = 2^17, r = 8, p = 1).
const maxWork = 2 ** 20;

/** Reads Django's `scrypt$N$salt$r$p$base64` and PHC's `$scrypt$ln=…,r=…,p=…$salt$key`. */
export const readScrypt: HashReader = (stored) => {
  if (stored.startsWith('scrypt$')) {
    const [, n, salt = '', r, p, key = ''] = django.exec(stored) ?? [];
    return read(Number(n), Number(r), Number(p), Buffer.from(salt), decodeBase64(key, 64, 64));
  }
  if (!stored.startsWith('$scrypt$')) return null;
  const [, ln, r, p, salt = '', key = ''] = phc.exec(stored) ?? [];
  return read(2 ** Number(ln), Number(r), Number(p), decodeBase64(salt, 1, 64), decodeBase64(key, 16, 64));
};

function read(
  N: number,
  r: number,
  p: number,
  salt: Buffer | null,
  expected: Buffer | null,
): HashVerifier | HashProblem {
  const isAllowed = N >= 2 && Number.isInteger(Math.log2(N)) && r >= 1 && p >= 1;
  if (!isAllowed || !salt || !expected) return 'malformed_hash';
  if (N * r * p > maxWork) return 'hash_too_costly';
  const options = { N, r, p, maxmem: 256 * 2 ** 20 };
  return compareDerived(expected, (password, length) => derive(password, salt, length, options));
}

function derive(password: string, salt: Buffer, length: number, options: ScryptOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password, salt, length, options, (error, key) => (error ? reject(error) : resolve(key)));
  });
}
