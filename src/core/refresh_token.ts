// The refresh token as a string. It is never stored: a session's row and KINDRED_SECRET together derive it again.
import { randomBytes } from 'node:crypto';
import { equalBytes, type Keyring, mac } from '../lib/crypto.ts';
import { idFromBytes, idToBytes } from '../lib/ids.ts';

const prefix = 'krt_';
const purpose = 'refresh-token';
const bodyLength = 53;
const tagOffset = 21;
/** The largest generation that the database's integer holds together with its successor. */
const maxGeneration = 2 ** 31 - 2;

/** A token whose form is right and whose tag nobody has checked yet. */
export interface DecodedRefreshToken {
  session_id: string;
  generation: number;
  key_id: number;
  tag: Buffer;
}

/** What a token is derived from beside the secret: the session's id and salt. */
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
  const body = header(keyring.current.id, session.id, generation);
  const tag = mac(keyring.current.keyFor(purpose), Buffer.concat([session.salt, body]));
  return prefix + Buffer.concat([body, tag]).toString('base64url');
}

/** Reads a token without trusting it; null when it is not of the one canonical form. */
export function decodeRefreshToken(value: string): DecodedRefreshToken | null {
  if (!value.startsWith(prefix)) return null;
  const text = value.slice(prefix.length);
  const bytes = Buffer.from(text, 'base64url');
  // The last character has two bits to spare: without the second test, four strings would be one token.
  if (bytes.length !== bodyLength || bytes.toString('base64url') !== text) return null;
  const generation = bytes.readUInt32BE(17);
  if (generation > maxGeneration) return null;
  return {
    key_id: bytes.readUInt8(0),
    session_id: idFromBytes(bytes.subarray(1, 17)),
    generation,
    tag: bytes.subarray(tagOffset),
  };
}

/** Whether this deployment minted `token` for `session`. Constant time in the tag. */
export function verifyRefreshToken(
  keyring: Keyring,
  token: DecodedRefreshToken,
  session: TokenSource,
): boolean {
  const key = keyring.find(token.key_id);
  if (!key || token.session_id !== session.id) return false;
  const body = header(token.key_id, token.session_id, token.generation);
  return equalBytes(mac(key.keyFor(purpose), Buffer.concat([session.salt, body])), token.tag);
}

function header(keyId: number, sessionId: string, generation: number): Buffer {
  const bytes = Buffer.alloc(tagOffset);
  bytes.writeUInt8(keyId, 0);
  idToBytes(sessionId).copy(bytes, 1);
  bytes.writeUInt32BE(generation, 17);
  return bytes;
}
