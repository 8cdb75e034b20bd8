// Devices and browsers that have logged in before. Each is identified by a secret that the server issued at a login. Their
// failures are counted separately, so that failures elsewhere cannot lock them out. The database has digests of the secret and of the
// password hash at that time: a change of the password makes all devices unknown at once. Otherwise each secret that a thief
// obtained with the old password would give the thief attempts of their own.
import { digest, equalBytes } from '../../lib/crypto.ts';
import { takeRandom } from '../../lib/random.ts';
import { declareColumns, type Table } from '../store/columns.ts';
import { type Db, isPostgres } from '../store/db.ts';
import { statement } from '../store/statements.ts';
import { type Device, type DeviceParameters, findNamedDevice, registerDevice } from './devices.ts';
import type { User } from './users.ts';

/** Days for which a browser is remembered after its last login; browsers limit cookies to 400 days. */
export const browserMemory = 400;

/** How many browsers of one user are remembered: those used last. */
const maxBrowsers = 20;

/** For how many users one browser is remembered. */
export const maxUsersOfBrowser = 5;

/** Evidence that the caller has logged in here before. */
export type DeviceProof =
  | { device_id?: string | undefined; device_secret?: string | undefined }
  /** From the cookie of a browser: one secret for each user who logged in there. */
  | { browser: string[] };

/** A browser that knows a user; its id is the digest of its secret, `proof` that of the user's password hash. */
export interface KnownBrowser {
  id: string;
  proof: string;
  user_id: string;
  created_at: Date;
  last_used_at: Date;
}

declare module 'knex/types/tables.js' {
  interface Tables {
    known_browsers: Table<KnownBrowser>;
  }
}

declareColumns('known_browsers', { created_at: 'time', last_used_at: 'time' });

type Owner = Pick<User, 'id' | 'password_hash'>;

// Unlike `proofOf` of credentials.ts without the session epoch: logging out everywhere does not make devices unknown.
function digestOfHash({ password_hash }: Owner): string {
  return digest(password_hash ?? '');
}

/** A secret for a device: 128 random bits. */
export function newDeviceSecret(): string {
  return takeRandom(16).toString('base64url');
}

/** Whether a text has the form of a device secret. */
export function isDeviceSecret(text: string | undefined): text is string {
  return text !== undefined && /^[\w-]{22}$/.test(text);
}

/**
 * The id of the known device or browser of this user, by which its failures are counted; null when the caller has no secret
 * that the server issued for this user.
 */
export async function findKnownDevice(db: Db, user: Owner, proof: DeviceProof): Promise<string | null> {
  if ('browser' in proof) return await findKnownBrowser(db, user, proof.browser);
  const { device_id, device_secret } = proof;
  if (!device_id || !isDeviceSecret(device_secret)) return null;
  const device = await findNamedDevice(db, user.id, device_id);
  return device && isSecretOf(device, device_secret) && device.secret_proof === digestOfHash(user)
    ? device.id
    : null;
}

function isSecretOf({ secret_digest }: Pick<Device, 'secret_digest'>, secret: string): boolean {
  return secret_digest !== null && equalBytes(Buffer.from(digest(secret)), Buffer.from(secret_digest));
}

const findBrowser = statement<{ id: string }>(
  { name: 'known_browser', commit: 'local' },
  () => `select id from known_browsers
    where user_id = :user_id and proof = :proof and id in (:a, :b, :c, :d, :e) limit 1`,
);

async function findKnownBrowser(db: Db, user: Owner, secrets: string[]): Promise<string | null> {
  if (secrets.length === 0) return null;
  const [a = '', b = '', c = '', d = '', e = ''] = secrets.map(digest);
  const [found] = await findBrowser(db, { user_id: user.id, proof: digestOfHash(user), a, b, c, d, e });
  return found?.id ?? null;
}

/**
 * Registers the device of a login and returns its secret: the one that it presented if it was `known` by it, else a new
 * one. Null when the client did not name a device.
 */
export async function registerKnownDevice(
  db: Db,
  user: Owner,
  given: DeviceParameters,
  known: string | null,
): Promise<{ id: string; secret: string } | null> {
  const secret = known !== null && given.device_secret ? given.device_secret : newDeviceSecret();
  const device = await registerDevice(db, user.id, {
    ...given,
    secret: { secret_digest: digest(secret), secret_proof: digestOfHash(user) },
  });
  return device && { id: device.id, secret };
}

const renew = statement(
  'renew_browser',
  () => 'update known_browsers set proof = :proof, last_used_at = :now where id = :id',
);

const addSql = `insert into known_browsers (id, proof, user_id, created_at, last_used_at)
  values (:id, :proof, :user_id, :now, :now)`;

// The others that were used last stay.
const forgetSql = `delete from known_browsers where user_id = :user_id and id <> :id and id not in (
  select id from known_browsers where user_id = :user_id and id <> :id order by last_used_at desc, id limit :others)`;

const add = statement('add_browser', () => addSql);
const forget = statement('forget_browsers', () => forgetSql);
const addOnly = statement('add_browser_and_forget', () => `with a as (${addSql}) ${forgetSql}`);

/**
 * Remembers the browser in which a user has just logged in and returns the secret for its cookie: the one by which it was
 * `known`, else a new one. An unknown secret from the cookie is never used: an attacker may have put it there.
 */
export async function rememberBrowser(
  db: Db,
  user: Owner,
  secrets: string[],
  known: string | null,
): Promise<string> {
  const proof = digestOfHash(user);
  const old = secrets.find((secret) => digest(secret) === known);
  if (old) {
    await renew(db, { id: digest(old), proof });
    return old;
  }
  const secret = newDeviceSecret();
  const values = { id: digest(secret), proof, user_id: user.id, others: maxBrowsers - 1 };
  if (isPostgres(db)) await addOnly(db, values);
  else {
    await add(db, values);
    await forget(db, values);
  }
  return secret;
}

/**
 * Whether a device of this name has logged in before. The client chose the name, so this says less than {@link findKnownDevice}, and more
 * than nothing where the client keeps no secret, or the password has changed since.
 */
export async function isSeenDevice(db: Db, user_id: string, device_id: string): Promise<boolean> {
  return (await findNamedDevice(db, user_id, device_id)) !== null;
}

/** Whether the user has ever logged in in a browser. */
export async function hasKnownBrowser(db: Db, user_id: string): Promise<boolean> {
  return (await db('known_browsers').where({ user_id }).first('id')) !== undefined;
}

/** Whether the user has logged in in this browser before, also with an earlier password. */
export async function isSeenBrowser(db: Db, user_id: string, secrets: string[]): Promise<boolean> {
  if (secrets.length === 0) return false;
  const seen = db('known_browsers').where({ user_id }).whereIn('id', secrets.map(digest));
  return (await seen.first('id')) !== undefined;
}

/** Keeps the device or browser that changes the password known, with the user's new hash; all others become unknown. */
export async function stayKnown(
  tx: Db,
  user: Owner,
  { device, browser }: { device: string | null; browser: string[] },
): Promise<void> {
  const proof = digestOfHash(user);
  if (device) await tx('devices').where({ id: device, user_id: user.id }).update({ secret_proof: proof });
  if (browser.length > 0)
    await tx('known_browsers')
      .where({ user_id: user.id })
      .whereIn('id', browser.map(digest))
      .update({ proof });
}
