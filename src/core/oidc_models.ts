// The engine's short-lived records: codes, interactions, opaque access tokens. Stored under the digest of their handle.
import { digest } from '../lib/crypto.ts';
import { parseId } from '../lib/ids.ts';
import { type Db, json, present, rows } from './db.ts';

export interface StoredModel {
  payload: Record<string, unknown>;
  consumed_at: Date | null;
  is_expired: boolean;
}

/** Writes a record. `ttl` in seconds; the handle itself (`jti`) is not stored, who presents it brings it along. */
export async function saveModel(
  db: Db,
  model: string,
  id: string,
  payload: Record<string, unknown>,
  ttl: number,
): Promise<void> {
  const { jti: _handle, ...stored } = payload;
  const row = {
    model,
    id: digest(id),
    payload: json(stored),
    session_id: parseId(payload.grantId),
    expires_at: new Date(Date.now() + ttl * 1000),
  };
  await db('oidc_models').insert(row).onConflict(['model', 'id']).merge();
}

/** The record of this handle, with the handle put back, or null. */
export async function findModel(db: Db, model: string, id: string): Promise<StoredModel | null> {
  const [row] = await rows<StoredModel>(
    db,
    'select payload, consumed_at, coalesce(expires_at <= :now, false) as is_expired from oidc_models where model = :model and id = :id',
    { model, id: digest(id), now: present(db) },
  );
  return row ? { ...row, payload: { ...row.payload, jti: id } } : null;
}

/** Marks a record as used; false when somebody else was first or there is none: of ten at once, one wins. */
export async function consumeModel(db: Db, model: string, id: string): Promise<boolean> {
  const changed = await db('oidc_models')
    .where({ model, id: digest(id) })
    .whereNull('consumed_at')
    .update({ consumed_at: present(db) } as never);
  return changed > 0;
}

/** Removes a record. */
export async function deleteModel(db: Db, model: string, id: string): Promise<void> {
  await db('oidc_models')
    .where({ model, id: digest(id) })
    .delete();
}

/**
 * Notes that `id` was used and returns whether this was the first time. INSERT … ON CONFLICT has one winner, where
 * reading first and then writing let one assertion in four times. `ttl` in seconds.
 */
export async function useOnce(db: Db, model: string, id: string, ttl: number): Promise<boolean> {
  const inserted = await rows(
    db,
    `insert into oidc_models (model, id, payload, expires_at) values (:model, :id, '{}', :expires)
     on conflict (model, id) do nothing returning id`,
    { model, id: digest(id), expires: new Date(Date.now() + ttl * 1000) },
  );
  return inserted.length > 0;
}
