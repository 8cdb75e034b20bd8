// The engine's short-lived records: codes, interactions, browser sessions, opaque access tokens. A record is stored under
// the digest of its handle; a record that contains the handle of something else is sealed as a whole (sealed_records.ts).
import { digest, type Keyring } from '../../lib/crypto.ts';
import { type Columns, declareColumns, json, type Table } from '../store/columns.ts';
import { type Db, isPostgres } from '../store/db.ts';
import { statement } from '../store/statements.ts';
import { registrationToken, secondIdsOf, unsealPayload } from './sealed_records.ts';

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
  /** The text of a sealed record as it is stored, by which a later write knows whether it has changed. */
  sealed?: string;
  /** The version of the client cache at this moment, so that a request which reads a record need not ask for it (client_cache.ts). */
  version: number;
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
  const row = await findRow(db, model, id);
  return row && recordOf(row, { ...row.payload, jti: id });
}

/** The sealed record of this handle, or null. */
export async function findSealedRecord(
  db: Db,
  keyring: Keyring,
  model: string,
  id: string,
): Promise<EngineRecord | null> {
  const row = await findRow(db, model, id);
  if (!row) return null;
  const { sealed } = row.payload;
  const record = recordOf(row, unsealPayload(keyring, model, row) ?? { ...row.payload, jti: id });
  return typeof sealed === 'string' ? { ...record, sealed } : record;
}

/** The sealed record of this second handle, or null: the `uid` of a browser session, the user code of a device. */
export async function findRecordBySecondHandle(
  db: Db,
  keyring: Keyring,
  model: string,
  handle: string,
): Promise<EngineRecord | null> {
  const digests = secondIdsOf(keyring, model, handle);
  const [row] = await find.second_id(db, { model, handles: isPostgres(db) ? digests : json(digests) });
  return row ? recordOf(row, unsealPayload(keyring, model, row) ?? row.payload) : null;
}

function recordOf(row: FoundRow, payload: Record<string, unknown>): EngineRecord {
  return { payload, consumed_at: row.consumed_at, is_expired: row.is_expired, version: row.version };
}

type FoundRow = Omit<EngineRecord, 'sealed'> & { id: string };

/** SQL that is false for a browser session that ended together with all others of its user, even if its record still exists. */
export const isCurrentRecordSql = `(oidc_models.session_epoch is null
  or oidc_models.session_epoch >= (select u.session_epoch from users u where u.id = oidc_models.user_id))`;

/** SQL that is true for a record that has expired, or ended together with all other browser sessions of its user. */
export const isExpiredRecordSql = `coalesce(oidc_models.expires_at <= :now, false) or not ${isCurrentRecordSql}`;

const foundColumns = {
  payload: 'json',
  consumed_at: 'time',
  is_expired: 'boolean',
} as const satisfies Columns<FoundRow>;

const find = {
  id: findBy('record_by_handle', () => 'id = :handle'),
  second_id: findBy('record_by_second_handle', (db) =>
    isPostgres(db) ? 'second_id = any(:handles)' : 'second_id in (select value from json_each(:handles))',
  ),
};

function findBy(name: string, condition: (db: Db) => string) {
  return statement<FoundRow>(
    { name, commit: 'local' },
    (db) => `select id, payload, consumed_at, ${isExpiredRecordSql} as is_expired,
      (select version from registry) as version
      from oidc_models where model = :model and ${condition(db)}`,
    foundColumns,
  );
}

async function findRow(db: Db, model: string, id: string): Promise<FoundRow | null> {
  const [row] = await find.id(db, { model, handle: digest(id) });
  return row ?? null;
}

const remove = statement('delete_record', () => 'delete from oidc_models where model = :model and id = :id');

/** Removes a record. */
export async function deleteRecord(db: Db, model: string, id: string): Promise<void> {
  await remove(db, { model, id: digest(id) });
}
