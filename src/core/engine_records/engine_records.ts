// The engine's short-lived records: codes, interactions, browser sessions, opaque access tokens. Stored under the
// digest of their handle; records that hold the handle of something else are sealed as a whole.
import { digest, type Keyring, mac, seal, unseal } from '../../lib/crypto.ts';
import { parseId } from '../../lib/ids.ts';
import type { RequestSource } from '../request_source.ts';
import { declareColumns, json, type Table } from '../store/columns.ts';
import { type Db, rows } from '../store/db.ts';
import { plusSeconds, present } from '../store/sql_time.ts';

export interface StoredModel {
  payload: Record<string, unknown>;
  consumed_at: Date | null;
  is_expired: boolean;
}

/** A row of `oidc_models`. */
export interface EngineRecordRow {
  model: string;
  /** Digest of the handle. */
  id: string;
  payload: Record<string, unknown>;
  session_id: string | null;
  consumed_at: Date | null;
  expires_at: Date | null;
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

// A browser session or a device code is found by a second handle and must then give its first; an interaction names the
// browser session; a pushed request may hold whatever its client keeps to itself. The database alone must not be enough to use
// or read any of them.
/** Models whose records are sealed. */
export const sealedModels: ReadonlySet<string> = new Set([
  'Session',
  'Interaction',
  'DeviceCode',
  'PushedAuthorizationRequest',
  'FormAnswer',
]);
const purpose = 'oidc-model';
const registrationToken = 'RegistrationAccessToken';

interface Box {
  sealed: string;
}

export interface NewModel {
  model: string;
  id: string;
  payload: Record<string, unknown>;
  /** Seconds; null for a record that lives until it is deleted. */
  ttl: number | null;
  ip?: string | null;
  user_agent?: string | null;
  /** The handle under which it is stored. */
  storedAs?: string;
  /** The user's `session_epoch` at the login that this write completes; absent, what the row has stays. */
  session_epoch?: number;
}

/**
 * Writes a record: a new one, or one that may be there already. One that is known to be stored (`storedAs`) is only changed:
 * if somebody has deleted it, it stays away. The handle itself (`jti`) is not stored in the clear: who presents it brings it
 * along.
 */
export async function saveModel(
  db: Db,
  keyring: Keyring,
  { model, id, payload, ttl, ip, user_agent, storedAs, session_epoch }: NewModel,
): Promise<void> {
  const { jti: _handle, ...open } = payload;
  const row = {
    model,
    id: digest(id),
    payload: json(sealedModels.has(model) ? sealed(keyring, model, id, payload) : open),
    session_id: parseId(payload.grantId),
    expires_at: ttl === null ? null : db.raw(plusSeconds(db, '?', '?'), [present(db), ttl]),
    second_id: secondId(keyring, model, payload),
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
  const one = isOnlyOne
    ? insert.onConflict(db.raw('(model, second_id) where second_id is not null'))
    : insert.onConflict(['model', 'id']);
  await one.merge({ ...changed, ...(isOnlyOne ? { id: row.id } : {}) });
}

/** Removes the tokens by which these clients manage their registrations. */
export async function deleteRegistrationTokens(db: Db, client_ids: string[]): Promise<void> {
  await db('oidc_models')
    .where({ model: registrationToken })
    .whereIn('second_id', client_ids.map(digest))
    .delete();
}

function sealed(keyring: Keyring, model: string, id: string, payload: object): Box {
  return { sealed: seal(keyring, purpose, json(payload), context(model, digest(id))) };
}

function secondId(keyring: Keyring, model: string, payload: Record<string, unknown>): string | null {
  // A client has one, which goes with the client.
  if (model === registrationToken) return digest(String(payload.clientId));
  if (!sealedModels.has(model)) return null;
  const { uid, userCode } = payload;
  if (typeof uid === 'string') return digest(uid);
  return typeof userCode === 'string' ? digestOfCode(keyring.current, userCode) : null;
}

// A user code is short: of its plain digest the code could be found by trying all 20^8, which takes hours.
function digestOfCode(key: Keyring['current'], code: string): string {
  return mac(key.keyFor('user-code'), Buffer.from(code)).toString('base64url');
}

type Row = StoredModel & { id: string };

const rowColumns = { payload: 'json', consumed_at: 'time', is_expired: 'boolean' } as const;

/** The record of this handle, with the handle put back, or null. Not for records that are sealed. */
export async function findModel(db: Db, model: string, id: string): Promise<StoredModel | null> {
  const row = await read(db, model, 'id', [digest(id)]);
  return row ? { ...withoutId(row), payload: { ...row.payload, jti: id } } : null;
}

/** The sealed record of this handle or null. */
export async function findSealedModel(
  db: Db,
  keyring: Keyring,
  model: string,
  id: string,
): Promise<StoredModel | null> {
  const row = await read(db, model, 'id', [digest(id)]);
  return row && unsealed(keyring, model, row, { jti: id });
}

/** The sealed record of this second handle or null: the `uid` of a browser session, the user code of a device. */
export async function findBySecondHandle(
  db: Db,
  keyring: Keyring,
  model: string,
  handle: string,
): Promise<StoredModel | null> {
  // Of a code also what it is under older secrets, and its plain digest, which the previous version wrote.
  const codes = model === 'DeviceCode' ? keyring.all.map((key) => digestOfCode(key, handle)) : [];
  const row = await read(db, model, 'second_id', [...codes, digest(handle)]);
  return row && unsealed(keyring, model, row);
}

// The previous version did not seal all that this one does.
function unsealed(keyring: Keyring, model: string, row: Row, handle: { jti?: string } = {}): StoredModel {
  const { sealed: box } = row.payload as Partial<Box>;
  if (typeof box !== 'string') return { ...withoutId(row), payload: { ...row.payload, ...handle } };
  return { ...withoutId(row), payload: JSON.parse(unseal(keyring, purpose, box, context(model, row.id))) };
}

function withoutId({ payload, consumed_at, is_expired }: Row): StoredModel {
  return { payload, consumed_at, is_expired };
}

async function read(
  db: Db,
  model: string,
  column: 'id' | 'second_id',
  digests: string[],
): Promise<Row | null> {
  const named = Object.fromEntries(digests.map((one, i) => [`handle_${i}`, one]));
  const list = Object.keys(named).map((name) => `:${name}`);
  const [row] = await rows<Row>(
    db,
    `select id, payload, consumed_at, coalesce(expires_at <= :now, false) or not ${isOfEpochSql} as is_expired from oidc_models
     where model = :model and ${column} in (${list.join(', ')})`,
    { model, ...named, now: present(db) },
    rowColumns,
  );
  return row ?? null;
}

function context(model: string, id: string): string {
  return `${model}:${id}`;
}

/** Marks a record as used; false when somebody else was first or there is none: of ten at once, one wins. */
export async function consumeModel(db: Db, model: string, id: string): Promise<boolean> {
  const changed = await db('oidc_models')
    .where({ model, id: digest(id) })
    .whereNull('consumed_at')
    .update({ consumed_at: present(db) });
  return changed > 0;
}

/** Removes a record. */
export async function deleteModel(db: Db, model: string, id: string): Promise<void> {
  await db('oidc_models')
    .where({ model, id: digest(id) })
    .delete();
}

/** SQL that is false for a browser session that ended with all others of its user, whether or not it is deleted yet. */
export const isOfEpochSql = `(oidc_models.session_epoch is null
  or oidc_models.session_epoch >= (select u.session_epoch from users u where u.id = oidc_models.user_id))`;

/** Whether a user is logged in in this browser. */
export async function isBrowserSession(db: Db, user_id: string, second_id: string): Promise<boolean> {
  const found = await rows(
    db,
    `select 1 from oidc_models where model = 'Session' and user_id = :user_id and second_id = :second_id
     and expires_at > :now and ${isOfEpochSql}`,
    { user_id, second_id, now: present(db) },
  );
  return found.length > 0;
}

/** Notes from where a browser session was used. */
export async function noteBrowserSession(db: Db, second_id: string, source: RequestSource): Promise<void> {
  const { ip, user_agent } = source;
  await db('oidc_models').where({ model: 'Session', second_id }).update({ ip, user_agent });
}

/** Ends browser sessions of a user: all of them, `only` one, or all `except` one. Returns how many. */
export async function deleteBrowserSessions(
  db: Db,
  user_id: string,
  { only, except }: { only?: string; except?: string | null } = {},
): Promise<number> {
  const query = db('oidc_models').where({ model: 'Session', user_id });
  if (only !== undefined) query.where({ second_id: only });
  if (except) query.whereNot({ second_id: except });
  return await query.delete();
}

/** Ends up to `limit` browser sessions of a user whose login has a lower number than `epoch`, or none; returns how many. */
export async function deleteBrowserSessionsBelow(
  db: Db,
  { user_id, epoch, kept_browser }: { user_id: string; epoch: number; kept_browser: string | null },
  limit: number,
): Promise<number> {
  const page = db('oidc_models')
    .where({ model: 'Session', user_id })
    .where((one) => one.whereNull('session_epoch').orWhere('session_epoch', '<', epoch))
    .limit(limit)
    .select('id');
  if (kept_browser !== null) page.whereNot({ second_id: kept_browser });
  return await db('oidc_models').where({ model: 'Session' }).whereIn('id', page).delete();
}

/**
 * Notes that `id` was used and returns whether this was the first time. INSERT … ON CONFLICT has one winner, where
 * reading first and then writing let one assertion in four times. `ttl` in seconds.
 */
export async function useOnce(db: Db, model: string, id: string, ttl: number): Promise<boolean> {
  const inserted = await rows(
    db,
    `insert into oidc_models (model, id, payload, expires_at) values (:model, :id, '{}', ${plusSeconds(db, ':now', ':ttl')})
     on conflict (model, id) do nothing returning id`,
    { model, id: digest(id), now: present(db), ttl },
  );
  return inserted.length > 0;
}
