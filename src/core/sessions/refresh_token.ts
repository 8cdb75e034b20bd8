// The refresh token as a string. It is never stored: a session's row and KINDRED_SECRET together derive it again. It has
// two parts that prove something: the proof, that the database knows the session, and the tag, that we have the secret.
import { hash, randomBytes } from 'node:crypto';
import { equalBytes, type Keyring, mac } from '../../lib/crypto.ts';
import { idFromBytes, idToBytes } from '../../lib/ids.ts';

const prefix = 'krt_';
const purpose = 'refresh-token';
const tokenLength = 69;
// The decoder passes over what is not of its alphabet: without this, many strings would be one token. 69 bytes are 92
// letters without a bit to spare, so that no two of these are the same bytes.
const shape = /^krt_[\w-]{92}$/;
const proofOffset = 21;
const proofLength = 16;
const tagOffset = proofOffset + proofLength;
/** The largest generation that the database's integer holds together with its successor. */
const maxGeneration = 2 ** 31 - 2;

/** A token whose form is right and whose tag nobody has checked yet. */
export interface DecodedRefreshToken {
  session_id: string;
  generation: number;
  key_id: number;
  proof: Buffer;
  /** All of these as bytes, which the tag is over. */
  body: Buffer;
  tag: Buffer;
}

/** What a token is derived from beside the secret: the session's id and its salt, which no token shows. */
export interface TokenSource {
  id: string;
  salt: Buffer;
}

/** A fresh salt for a new session, 16 bytes. */
export function newSalt(): Buffer {
  return randomBytes(16);
}

/** True when `value` is meant to be a refresh token of ours, valid or not. */
export function looksLikeRefreshToken(value: string): boolean {
  return value.startsWith(prefix);
}

/** The refresh token of one generation of a session; the same every time it is asked for. */
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

// What only the salt gives, for one generation: an old token tells nothing of the next one's. A plain hash, because
// Postgres has to make the same (see `proofSql`), and because the tag is over it.
function proofOf(salt: Buffer, generation: number): Buffer {
  const number = Buffer.alloc(4);
  number.writeUInt32BE(generation);
  return hash('sha256', Buffer.concat([salt, number]), 'buffer').subarray(0, proofLength);
}

/** SQL for the proof of a generation, from the columns or placeholders that hold it and the salt. Postgres only. */
export function proofSql(salt: string, generation: string): string {
  return `substring(sha256(${salt} || int4send(${generation})) for ${proofLength})`;
}

/** Reads a token without trusting it; null when it is not of the one canonical form. */
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
 * Whether `token` was minted under one of our secrets. Constant time in the tag; needs no session, so that whatever a
 * stranger makes up never reaches the database.
 */
export function isMinted(keyring: Keyring, token: DecodedRefreshToken): boolean {
  const key = keyring.find(token.key_id);
  if (!key) return false;
  return equalBytes(mac(key.keyFor(purpose), token.body), token.tag);
}

/** Whether this deployment minted `token` for `session`. Constant time in tag and proof. */
export function verifyRefreshToken(
  keyring: Keyring,
  token: DecodedRefreshToken,
  session: TokenSource,
): boolean {
  return isMinted(keyring, token) && token.session_id === session.id && verifyProof(token, session.salt);
}

/** Whether a token's proof is that of this salt; its tag is for {@link isMinted}. */
export function verifyProof(token: DecodedRefreshToken, salt: Buffer): boolean {
  return equalBytes(proofOf(salt, token.generation), token.proof);
}
