// Argon2 (RFC 9106) as the PHC string that every library writes: argon2id, argon2i and argon2d.
import { verify } from '@node-rs/argon2';
import { decodeBase64, type HashReader } from './format.ts';

// Django writes its own name in front.
const beginning = /^(argon2)?\$argon2/;
// The library throws on a number that begins with 0.
const shape =
  /^\$argon2(?:id|i|d)\$(?:v=(?:16|19)\$)?m=([1-9]\d{0,8}),t=([1-9]\d{0,8}),p=([1-9]\d{0,2})\$([^$]+)\$([^$]+)$/;

// 256 MiB and 1 GiB read in all: about a second. It lets in the defaults of libsodium, PHP, Django and argon2-cffi.
const maxMemory = 262_144;
const maxWork = 1_048_576;
const maxParallelism = 16;

export const readArgon2: HashReader = (stored) => {
  if (!beginning.test(stored)) return null;
  const hash = stored.replace(/^argon2/, '');
  const [, memory, time, parallelism, salt = '', key = ''] = shape.exec(hash) ?? [];
  const [m, t, p] = [Number(memory), Number(time), Number(parallelism)];
  // The library throws on what RFC 9106 does not allow, and on shorter and longer values than these.
  const isAllowed = m >= 8 * p && !`${salt}${key}`.includes('=');
  if (!isAllowed || !decodeBase64(salt, 8, 48) || !decodeBase64(key, 10, 64)) return 'malformed_hash';
  if (m > maxMemory || m * t > maxWork || p > maxParallelism) return 'hash_too_costly';
  return async (password) => await verify(hash, password);
};
