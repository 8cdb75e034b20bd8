// The table of one-time codes, and how they are issued.
import { randomInt } from 'node:crypto';
import type { Knex } from 'knex';
import { digest, type Keyring, mac, seal, unseal } from '../../lib/crypto.ts';
import { newId } from '../../lib/ids.ts';
import { takeRandom } from '../../lib/random.ts';
import { declareColumns, json, type Table } from '../store/columns.ts';
import type { Db } from '../store/db.ts';
import { plusSeconds, present } from '../store/sql_time.ts';
import { addressKey } from '../users/names.ts';
import { mostAlive, type Purpose, purposes, userWindow } from './purposes.ts';

export interface OneTimeCode {
  id: string;
  purpose: Purpose;
  /** Null for an address without a user, and for a request that named no user at all. */
  user_id: string | null;
  /** The address that it was sent to, as it was given. */
  address: string | null;
  address_key: string | null;
  /** Digest of the request that asked; the code is good only together with it. */
  request_digest: string | null;
  code_mac: string | null;
  link_digest: string | null;
  /** The user's `code_version` when it was issued; null where a change of the user does not make it void. */
  code_version: number | null;
  /** Sealed JSON, or null. */
  payload: string | null;
  /** The administrator who issued it. */
  created_by: string | null;
  /** Wrong codes that were tried for its request. */
  tries: number;
  code_expires_at: Date | null;
  expires_at: Date;
  /** When it was used, or became void. */
  used_at: Date | null;
  created_at: Date;
}

declare module 'knex/types/tables.js' {
  interface Tables {
    one_time_codes: Table<OneTimeCode>;
  }
}

declareColumns('one_time_codes', {
  code_expires_at: 'time',
  expires_at: 'time',
  used_at: 'time',
  created_at: 'time',
});

export interface NewCode {
  purpose: Purpose;
  user?: { id: string; code_version: number } | null;
  address?: string | null;
  /** The handle of the request: random, or the id of the user whose sessions may enter the code. */
  request?: string | null;
  payload?: object;
  created_by?: string | null;
  /** Seconds, instead of the purpose's. */
  linkTtl?: number;
}

/** What is sent, and never stored. */
export interface IssuedCode {
  id: string;
  /** Six digits, or null. */
  code: string | null;
  /** 256 random bits, base64url: the secret part of the link. */
  token: string;
  expires_at: Date;
}

/** Issues a code, in the caller's transaction. Of one request at most {@link mostAlive} codes are alive: older ones become void. */
export async function issueCode(tx: Knex.Transaction, keyring: Keyring, input: NewCode): Promise<IssuedCode> {
  const { purpose, user = null, address = null, request = null, payload, created_by = null } = input;
  const { code: codeTtl, link, diesWithUser } = purposes[purpose];
  const id = newId();
  const code = codeTtl === null || request === null ? null : String(randomInt(1_000_000)).padStart(6, '0');
  const token = takeRandom(32).toString('base64url');
  const request_digest = request === null ? null : digest(request);
  const tries = request_digest === null ? 0 : await supersede(tx, purpose, request_digest);
  const expiry = (seconds: number) => tx.raw(plusSeconds(tx, '?', '?'), [present(tx), seconds]);
  const [row] = await tx('one_time_codes')
    .insert({
      id,
      purpose,
      user_id: user?.id ?? null,
      address,
      address_key: address === null ? null : addressKey(address),
      request_digest,
      code_mac: code === null ? null : codeMac(keyring.current, { purpose, request_digest, code }),
      link_digest: digest(token),
      code_version: user && diesWithUser ? user.code_version : null,
      payload: payload ? seal(keyring, sealing, json(payload), id) : null,
      created_by,
      tries,
      code_expires_at: code === null || codeTtl === null ? null : expiry(codeTtl),
      expires_at: expiry(input.linkTtl ?? link),
      created_at: present(tx),
    })
    .returning('expires_at');
  return { id, code, token, expires_at: row?.expires_at ?? new Date() };
}

const sealing = 'one-time-code';

/** The payload of a code; null where it has none. */
export function payloadOf(keyring: Keyring, { id, payload }: Pick<OneTimeCode, 'id' | 'payload'>): unknown {
  return payload === null ? null : JSON.parse(unseal(keyring, sealing, payload, id));
}

/** The HMAC of a code with its request: six digits could be tried against a mere digest. */
export function codeMac(
  key: Keyring['current'],
  { purpose, request_digest, code }: { purpose: Purpose; request_digest: string | null; code: string },
): string {
  return mac(key.keyFor('one-time-code'), Buffer.from(`${purpose} ${request_digest} ${code}`)).toString(
    'base64url',
  );
}

// Makes all but the newest codes of a request void, and returns how often the request was guessed at: a new code does not begin anew. After
// a day it does, because the handle of a change of the address is the user's id, and there is never another one.
async function supersede(tx: Knex.Transaction, purpose: Purpose, request_digest: string): Promise<number> {
  const alive = await lockNewest(tx, { purpose, request_digest }, mostAlive).select(
    '*',
    tx.raw(`${plusSeconds(tx, 'created_at', '?')} > ? as counts`, [userWindow, present(tx)]),
  );
  const [oldest] = alive;
  if (oldest && alive.length === mostAlive) await voidCodes(tx, { purpose, request_digest }, oldest.id);
  return Math.max(0, ...alive.filter((one) => one.counts).map((one) => one.tries));
}

/**
 * The newest codes of a request, the oldest of them first, each locked in the order of its id: everybody who locks several codes does so in
 * this order, so that no two wait for each other.
 */
export function lockNewest(
  tx: Knex.Transaction,
  which: Pick<OneTimeCode, 'purpose' | 'request_digest'>,
  most: number,
) {
  const newest = tx('one_time_codes').where(which).orderBy('id', 'desc').limit(most).select('id');
  return tx('one_time_codes').whereIn('id', newest).orderBy('id').forUpdate();
}

/** Makes living codes void, those up to the given one or all. */
export async function voidCodes(
  db: Db,
  which: Partial<Pick<OneTimeCode, 'purpose' | 'request_digest' | 'user_id' | 'address_key'>>,
  upTo?: string,
): Promise<void> {
  const query = db('one_time_codes').where(which).whereNull('used_at').where('expires_at', '>', present(db));
  if (upTo !== undefined) query.where('id', '<=', upTo);
  await query.update({ used_at: present(db) });
}
