// Single use: of records that are stored, such as codes, and of ids that clients choose, such as the `jti` of an assertion
// or a DPoP proof.
import { digest } from '../../lib/crypto.ts';
import type { Db } from '../store/db.ts';
import { localCommitCondition } from '../store/local_commit.ts';
import { plusSeconds } from '../store/sql_time.ts';
import { statement } from '../store/statements.ts';

const consume = statement<{ id: string }>(
  'consume_record',
  () =>
    'update oidc_models set consumed_at = :now where model = :model and id = :id and consumed_at is null returning id',
);

/** Marks a record as used; false when it was used before or does not exist. Of ten requests at once, one wins. */
export async function consumeRecord(db: Db, model: string, id: string): Promise<boolean> {
  return (await consume(db, { model, id: digest(id) })).length > 0;
}

/**
 * Records that `id` was used and returns whether this was the first time; `ttl` in seconds. INSERT … ON CONFLICT has one
 * winner. Reading first and writing then let one assertion in four times.
 */
export async function useOnce(db: Db, model: string, id: string, ttl: number): Promise<boolean> {
  return (await insertOnce(db, { used_model: model, used_id: digest(id), used_ttl: ttl })).length > 0;
}

/** The model of used `jti` values: of assertions, and of proofs. */
export const replayModel = 'ReplayDetection';

/**
 * The INSERT of {@link useOnce} for a `jti`, as a part of the statement that decides: its RETURNING has a row only the first
 * time. It commits locally (local_commit.ts). The values are those of {@link jtiValues}.
 */
export const useJtiSql = (db: Db) => useOnceSql(db, `'${replayModel}'`);

const useOnceSql = (db: Db, model: string) => `
  insert into oidc_models (model, id, payload, expires_at)
  select ${model}, :used_id, '{}', ${plusSeconds(db, ':now', ':used_ttl')} where ${localCommitCondition(db)}
  on conflict (model, id) do nothing returning id`;

/** The handle under which the use of a `jti` is recorded; `owner` is the client, or at our API the thumbprint of the key. */
export function jtiHandle(owner: string, jti: string): string {
  return JSON.stringify([owner, jti]);
}

/** The values for {@link useJtiSql}; the `jti` is remembered for `ttl` seconds. */
export function jtiValues(owner: string, jti: string, ttl: number): { used_id: string; used_ttl: number } {
  return { used_id: digest(jtiHandle(owner, jti)), used_ttl: ttl };
}

// A proof that comes again after a failover that lost its row is the smaller evil: requests go on while a standby is away.
const insertOnce = statement<{ id: string }>({ name: 'use_once', commit: 'local' }, (db) =>
  useOnceSql(db, ':used_model'),
);
