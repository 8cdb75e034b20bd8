// Keys derived from KINDRED_SECRET, digests, and sealed values (authenticated encryption).
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hash,
  hkdfSync,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';

interface DerivedKey {
  id: number;
  /** The key for a purpose, derived at its first use. A KeyObject makes an HMAC several times cheaper than a Buffer. */
  keyFor: (purpose: string) => KeyObject;
}

/** The keys of this deployment: the first secret mints, all of them verify. */
export interface Keyring {
  current: DerivedKey;
  find: (id: number) => DerivedKey | null;
  all: DerivedKey[];
}

/**
 * Makes the keyring of a list of base64url secrets. The id of a key (one byte) is derived from its secret and not from its
 * position, so that the list may be reordered. Throws when two secrets have the same id.
 */
export function createKeyring(secrets: string[]): Keyring {
  const all = secrets.map(deriveKeys);
  const byId = new Map(all.map((key) => [key.id, key]));
  if (byId.size !== all.length)
    throw new Error('KINDRED_SECRET: two secrets share a key id; replace one of them');
  const [current] = all;
  if (!current) throw new Error('KINDRED_SECRET: is empty');
  return { current, all, find: (id) => byId.get(id) ?? null };
}

function deriveKeys(secret: string): DerivedKey {
  const bytes = Buffer.from(secret, 'base64url');
  const keys = new Map<string, KeyObject>();
  return {
    id: Buffer.from(hkdfSync('sha256', bytes, '', 'key-id', 1)).readUInt8(0),
    keyFor(purpose) {
      let key = keys.get(purpose);
      if (!key) {
        key = createSecretKey(Buffer.from(hkdfSync('sha256', bytes, '', purpose, 32)));
        keys.set(purpose, key);
      }
      return key;
    },
  };
}

/** HMAC-SHA-256, 32 bytes. */
export function mac(key: KeyObject, data: Buffer): Buffer {
  return createHmac('sha256', key).update(data).digest();
}

/** SHA-256 in base64url: how codes, opaque tokens and other random handles are stored. */
export function digest(value: string): string {
  return hash('sha256', value, 'base64url');
}

/** Compares in constant time; different lengths are different. */
export function equalBytes(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/**
 * Encrypts with AES-256-GCM under the current key: key id, nonce, tag and text, base64url. `context` is authenticated, so a
 * sealed value that was moved to another row does not open.
 */
export function seal(keyring: Keyring, purpose: string, plain: string, context: string): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', keyring.current.keyFor(purpose), nonce).setAAD(
    Buffer.from(context),
  );
  const text = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
  return Buffer.concat([Buffer.of(keyring.current.id), nonce, cipher.getAuthTag(), text]).toString(
    'base64url',
  );
}

/** A sealed value that does not open: it was sealed under another secret, changed or moved. */
export class SealError extends Error {}

/** Decrypts a value that {@link seal} made, under any key of the ring; throws a {@link SealError}. */
export function unseal(keyring: Keyring, purpose: string, box: string, context: string): string {
  const bytes = Buffer.from(box, 'base64url');
  const key = bytes.length >= 29 ? keyring.find(bytes.readUInt8(0)) : null;
  if (!key) throw new SealError('a sealed value does not open: its KINDRED_SECRET is not in the list');
  const decipher = createDecipheriv('aes-256-gcm', key.keyFor(purpose), bytes.subarray(1, 13))
    .setAAD(Buffer.from(context))
    .setAuthTag(bytes.subarray(13, 29));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(29)), decipher.final()]).toString('utf8');
  } catch (cause) {
    throw new SealError('a sealed value does not open: it was changed or moved, or its secret is gone', {
      cause,
    });
  }
}

/** The id of the key under which a value was sealed; it need not be in the keyring. */
export function sealingKeyId(box: string): number {
  return Buffer.from(box.slice(0, 4), 'base64url').readUInt8(0);
}
