// Single use: of records that are stored, such as codes, and of ids that clients choose, such as the `jti` of an assertion
// or a DPoP proof.
import { digest } from '../../lib/crypto.ts';
import { type Db, rows } from '../store/db.ts';
import { plusSeconds, present } from '../store/sql_time.ts';

/** Marks a record as used; false when it was used before or does not exist. Of ten requests at once, one wins. */
export async function consumeRecord(db: Db, model: string, id: string): Promise<boolean> {
  const changed = await db('oidc_models')
    .where({ model, id: digest(id) })
    .whereNull('consumed_at')
    .update({ consumed_at: present(db) });
  return changed > 0;
}

/**
 * Records that `id` was used and returns whether this was the first time; `ttl` in seconds. INSERT … ON CONFLICT has one
 * winner. Reading first and writing then let one assertion in four times.
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
