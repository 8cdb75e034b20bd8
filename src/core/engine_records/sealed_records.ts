// Which engine records are sealed as a whole, and the second handle under which a record is found.
import { digest, type Keyring, mac, seal, unseal } from '../../lib/crypto.ts';
import { json } from '../store/columns.ts';

/**
 * Models whose records are sealed, so that the database alone is not enough to use or read them. A browser session or a
 * device code is found by a second handle, and its record holds the first one; an interaction names the browser session;
 * a pushed request may contain data that its client keeps secret.
 */
export const sealedModels: ReadonlySet<string> = new Set([
  'Session',
  'Interaction',
  'DeviceCode',
  'PushedAuthorizationRequest',
  'FormAnswer',
  'PostedRequest',
]);

/** The model of the tokens by which registered clients manage their registrations. */
export const registrationToken = 'RegistrationAccessToken';

type Payload = Record<string, unknown>;

interface SealedPayload {
  sealed: string;
}

const purpose = 'oidc-model';

/** The payload as it is stored: sealed when the model says so, else without its handle (`jti`). */
export function storedPayload(keyring: Keyring, model: string, id: string, payload: Payload): Payload {
  if (sealedModels.has(model)) {
    return { sealed: seal(keyring, purpose, json(payload), contextOf(model, digest(id))) };
  }
  const { jti: _handle, ...open } = payload;
  return open;
}

/** The payload of a sealed record, or null for a record that an earlier version stored in the clear. */
export function unsealPayload(
  keyring: Keyring,
  model: string,
  row: { id: string; payload: Payload },
): Payload | null {
  const { sealed } = row.payload as Partial<SealedPayload>;
  if (typeof sealed !== 'string') return null;
  return JSON.parse(unseal(keyring, purpose, sealed, contextOf(model, row.id)));
}

function contextOf(model: string, id: string): string {
  return `${model}:${id}`;
}

/**
 * The digest of the second handle of a record, or null: the `uid` of a browser session, the user code of a device, the
 * client of a registration token (a client has one token, which is replaced with each change).
 */
export function secondIdOf(keyring: Keyring, model: string, payload: Payload): string | null {
  if (model === registrationToken) return digest(String(payload.clientId));
  if (!sealedModels.has(model)) return null;
  const { uid, userCode } = payload;
  if (typeof uid === 'string') return digest(uid);
  return typeof userCode === 'string' ? digestOfUserCode(keyring.current, userCode) : null;
}

/**
 * All digests under which a second handle may be stored: a user code also under older secrets, and as a plain digest, which an
 * earlier version wrote.
 */
export function secondIdsOf(keyring: Keyring, model: string, handle: string): string[] {
  const codes = model === 'DeviceCode' ? keyring.all.map((key) => digestOfUserCode(key, handle)) : [];
  return [...codes, digest(handle)];
}

// Keyed, because a user code is short: its plain digest could be reversed by trying all 20^8 codes, which takes hours.
function digestOfUserCode(key: Keyring['current'], code: string): string {
  return mac(key.keyFor('user-code'), Buffer.from(code)).toString('base64url');
}
