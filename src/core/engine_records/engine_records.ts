// The engine's short-lived records: codes, interactions, browser sessions, opaque access tokens. A record is stored under
// the digest of its handle; a record that contains the handle of something else is sealed as a whole (sealed_records.ts).
import { digest, type Keyring } from '../../lib/crypto.ts';
import { parseId } from '../../lib/ids.ts';
import { declareColumns, json, type Table } from '../store/columns.ts';
import { type Db, rows } from '../store/db.ts';
import { plusSeconds, present } from '../store/sql_time.ts';
import {
  registrationToken,
  secondIdOf,
  secondIdsOf,
  storedPayload,
  unsealPayload,
} from './sealed_records.ts';

/** A row of `oidc_models`. */
interface EngineRecordRow {
  model: string;
  /** Digest of the handle. */
  id: string;
  payload: Record<string, unknown>;
  session_id: string | null;
  consumed_at: Date | null;
  expires_at: Date | null;
  /** Digest of a second handle, see sealed_records.ts. */
  second_id: string | null;
  user_id: string | null;
  ip: string | null;
  user_agent: string | null;
  created_at: Date | null;
  session_epoch: number | null;
}

declare module 'knex/types/tables.js' {
  interface Tables {
    oidc_models: Table<EngineRecordRow>;
  }
}

declareColumns('oidc_models', {
  payload: 'json',
  consumed_at: 'time',
  expires_at: 'time',
  created_at: 'time',
});

/** A stored record as the engine reads it. */
export interface EngineRecord {
  payload: Record<string, unknown>;
  consumed_at: Date | null;
  is_expired: boolean;
}

export interface NewEngineRecord {
  model: string;
  id: string;
  payload: Record<string, unknown>;
  /** Seconds; null for a record that lives until it is deleted. */
  ttl: number | null;
  ip?: string | null;
  user_agent?: string | null;
  /** The handle under which the record is already stored. */
  storedAs?: string;
  /** The user's `session_epoch` at the login that this write completes; absent, the row keeps its own. */
  session_epoch?: number;
}

/**
 * Writes a new or an existing record. With `storedAs` it only updates: a record that has been deleted in the meantime is not
 * written again. The handle (`jti`) is never stored in plain text; a caller who reads the record presents it.
 */
export async function saveRecord(db: Db, keyring: Keyring, record: NewEngineRecord): Promise<void> {
  const { model, id, payload, ttl, ip, user_agent, storedAs, session_epoch } = record;
  const row = {
    model,
    id: digest(id),
    payload: json(storedPayload(keyring, model, id, payload)),
    session_id: parseId(payload.grantId),
    expires_at: ttl === null ? null : db.raw(plusSeconds(db, '?', '?'), [present(db), ttl]),
    second_id: secondIdOf(keyring, model, payload),
    user_id: parseId(payload.accountId),
    ...(ip === undefined ? {} : { ip }),
    ...(user_agent === undefined ? {} : { user_agent }),
    ...(session_epoch === undefined ? {} : { session_epoch }),
    created_at: typeof payload.loginTs === 'number' ? new Date(payload.loginTs * 1000) : present(db),
  };
  const { created_at: _first, ...changed } = row;
  if (storedAs !== undefined) {
    await db('oidc_models')
      .where({ model, id: digest(storedAs) })
      .update(changed);
    return;
  }
  const isOnlyOne = model === registrationToken;
  const insert = db('oidc_models').insert(row);
  const upsert = isOnlyOne
    ? insert.onConflict(db.raw('(model, second_id) where second_id is not null'))
    : insert.onConflict(['model', 'id']);
  await upsert.merge({ ...changed, ...(isOnlyOne ? { id: row.id } : {}) });
}

/** Removes the tokens by which these clients manage their registrations. */
export async function deleteRegistrationTokens(db: Db, client_ids: string[]): Promise<void> {
  await db('oidc_models')
    .where({ model: registrationToken })
    .whereIn('second_id', client_ids.map(digest))
    .delete();
}

/** The record of this handle, with the handle put back, or null. Not for sealed records. */
export async function findRecord(db: Db, model: string, id: string): Promise<EngineRecord | null> {
  const row = await findRow(db, model, 'id', [digest(id)]);
  return row && recordOf(row, { ...row.payload, jti: id });
}

/** The sealed record of this handle, or null. */
export async function findSealedRecord(
  db: Db,
  keyring: Keyring,
  model: string,
  id: string,
): Promise<EngineRecord | null> {
  const row = await findRow(db, model, 'id', [digest(id)]);
  return row && recordOf(row, unsealPayload(keyring, model, row) ?? { ...row.payload, jti: id });
}

/** The sealed record of this second handle, or null: the `uid` of a browser session, the user code of a device. */
export async function findRecordBySecondHandle(
  db: Db,
  keyring: Keyring,
  model: string,
  handle: string,
): Promise<EngineRecord | null> {
  const row = await findRow(db, model, 'second_id', secondIdsOf(keyring, model, handle));
  return row && recordOf(row, unsealPayload(keyring, model, row) ?? row.payload);
}

function recordOf(row: FoundRow, payload: Record<string, unknown>): EngineRecord {
  return { payload, consumed_at: row.consumed_at, is_expired: row.is_expired };
}

type FoundRow = EngineRecord & { id: string };

const foundColumns = { payload: 'json', consumed_at: 'time', is_expired: 'boolean' } as const;

async function findRow(
  db: Db,
  model: string,
  column: 'id' | 'second_id',
  digests: string[],
): Promise<FoundRow | null> {
  const named = Object.fromEntries(digests.map((one, i) => [`handle_${i}`, one]));
  const list = Object.keys(named).map((name) => `:${name}`);
  const [row] = await rows<FoundRow>(
    db,
    `select id, payload, consumed_at, coalesce(expires_at <= :now, false) or not ${isCurrentRecordSql} as is_expired from oidc_models
     where model = :model and ${column} in (${list.join(', ')})`,
    { model, ...named, now: present(db) },
    foundColumns,
  );
  return row ?? null;
}

/** Removes a record. */
export async function deleteRecord(db: Db, model: string, id: string): Promise<void> {
  await db('oidc_models')
    .where({ model, id: digest(id) })
    .delete();
}

/** SQL that is false for a browser session that ended together with all others of its user, even if its record still exists. */
export const isCurrentRecordSql = `(oidc_models.session_epoch is null
  or oidc_models.session_epoch >= (select u.session_epoch from users u where u.id = oidc_models.user_id))`;
