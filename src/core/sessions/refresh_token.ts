// The refresh token as a string. It is never stored: a session's row and KINDRED_SECRET together derive it again. Its proof shows
// that it was made with the salt in the database, its tag that it was made with the secret.
import { hash, randomBytes } from 'node:crypto';
import { equalBytes, type Keyring, mac } from '../../lib/crypto.ts';
import { idFromBytes, idToBytes } from '../../lib/ids.ts';

const prefix = 'krt_';
const purpose = 'refresh-token';
const tokenLength = 69;
// The base64url decoder ignores characters outside its alphabet, so without this check many strings would be one token. 69 bytes
// are exactly 92 characters with no unused bits, so two different strings of this form never decode to the same bytes.
const shape = /^krt_[\w-]{92}$/;
const proofOffset = 21;
const proofLength = 16;
const tagOffset = proofOffset + proofLength;
/** The largest generation whose successor still fits into the database's integer. */
const maxGeneration = 2 ** 31 - 2;

/** A token of the right form whose tag has not been verified yet. */
export interface DecodedRefreshToken {
  session_id: string;
  generation: number;
  key_id: number;
  proof: Buffer;
  /** The bytes of all parts above, which the tag authenticates. */
  body: Buffer;
  tag: Buffer;
}

/** The part of a session from which, with the secret, its tokens are derived. No token reveals the salt. */
export interface TokenSource {
  id: string;
  salt: Buffer;
}

/** A fresh salt for a new session, 16 bytes. */
export function newSalt(): Buffer {
  return randomBytes(16);
}

/** Whether `value` has the prefix of our refresh tokens, valid or not. */
export function looksLikeRefreshToken(value: string): boolean {
  return value.startsWith(prefix);
}

/** The refresh token of one generation of a session; the same on every call with the same secret. */
export function mintRefreshToken(keyring: Keyring, session: TokenSource, generation: number): string {
  const key_id = keyring.current.id;
  const proof = proofOf(session.salt, generation);
  const bytes = Buffer.alloc(tokenLength);
  bytes.writeUInt8(key_id, 0);
  idToBytes(session.id).copy(bytes, 1);
  bytes.writeUInt32BE(generation, 17);
  proof.copy(bytes, proofOffset);
  mac(keyring.current.keyFor(purpose), bytes.subarray(0, tagOffset)).copy(bytes, tagOffset);
  return prefix + bytes.toString('base64url');
}

// Derives the proof of one generation from the salt; an old token does not reveal the next proof. A hash without a key is enough,
// because the tag authenticates it, and Postgres can compute the same (see `proofSql`).
function proofOf(salt: Buffer, generation: number): Buffer {
  const number = Buffer.alloc(4);
  number.writeUInt32BE(generation);
  return hash('sha256', Buffer.concat([salt, number]), 'buffer').subarray(0, proofLength);
}

/** SQL for the proof, from the columns or placeholders with the salt and the generation. Postgres only. */
export function proofSql(salt: string, generation: string): string {
  return `substring(sha256(${salt} || int4send(${generation})) for ${proofLength})`;
}

/** Decodes a token without verifying it; null when it does not have the one canonical form. */
export function decodeRefreshToken(value: string): DecodedRefreshToken | null {
  if (!shape.test(value)) return null;
  const bytes = Buffer.from(value.slice(prefix.length), 'base64url');
  const generation = bytes.readUInt32BE(17);
  if (generation > maxGeneration) return null;
  return {
    key_id: bytes.readUInt8(0),
    session_id: idFromBytes(bytes.subarray(1, 17)),
    generation,
    proof: bytes.subarray(proofOffset, tagOffset),
    body: bytes.subarray(0, tagOffset),
    tag: bytes.subarray(tagOffset),
  };
}

/**
 * Whether the tag of `token` was made with one of our secrets, in constant time. Needs no session, so a forged token never
 * reaches the database.
 */
export function isMinted(keyring: Keyring, token: DecodedRefreshToken): boolean {
  const key = keyring.find(token.key_id);
  if (!key) return false;
  return equalBytes(mac(key.keyFor(purpose), token.body), token.tag);
}

/** Whether this deployment minted `token` for `session`; compares tag and proof in constant time. */
export function verifyRefreshToken(
  keyring: Keyring,
  token: DecodedRefreshToken,
  session: TokenSource,
): boolean {
  return isMinted(keyring, token) && token.session_id === session.id && verifyProof(token, session.salt);
}

/** Whether a token's proof was made with this salt. {@link isMinted} verifies the tag. */
export function verifyProof(token: DecodedRefreshToken, salt: Buffer): boolean {
  return equalBytes(proofOf(salt, token.generation), token.proof);
}
