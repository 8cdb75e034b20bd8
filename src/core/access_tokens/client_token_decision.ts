// The decision about a token of `client_credentials`, in one statement: whether the client cache was current, and whether the
// `jti` of the request's DPoP proof is new.
import { isCurrentVersionSql } from '../clients/client_cache.ts';
import { useJtiSql } from '../engine_records/single_use.ts';
import type { Columns } from '../store/columns.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import { statement } from '../store/statements.ts';

/** What the statement found. */
export interface ClientTokenDecision {
  is_current_version: boolean;
  /** True for a request without a proof, too. */
  is_first_use: boolean;
}

const columns = {
  is_current_version: 'boolean',
  is_first_use: 'boolean',
} as const satisfies Columns<ClientTokenDecision>;

const withoutProof = statement<ClientTokenDecision>(
  { name: 'client_token', commit: 'local' },
  () => `select ${isCurrentVersionSql} as is_current_version, true as is_first_use`,
  columns,
);

const withProof = statement<ClientTokenDecision>(
  { name: 'client_token_with_proof', commit: 'local' },
  (db) => `with p as (${useJtiSql(db)})
    select ${isCurrentVersionSql} as is_current_version, exists (select 1 from p) as is_first_use`,
  columns,
);

/** Decides; `use` has the values of `jtiValues`, or is null without a proof whose use is to be recorded. */
export async function decideClientToken(
  db: Db,
  version: number,
  use: { used_id: string; used_ttl: number } | null,
): Promise<ClientTokenDecision> {
  if (use && !isPostgres(db)) return await decideInSteps(db, version, use);
  const [found] = use ? await withProof(db, { version, ...use }) : await withoutProof(db, { version });
  if (!found) throw new Error('a SELECT without FROM gives a row');
  return found;
}

// SQLite has no INSERT inside a SELECT.
async function decideInSteps(
  db: Db,
  version: number,
  use: { used_id: string; used_ttl: number },
): Promise<ClientTokenDecision> {
  const inserted = await rows(db, useJtiSql(db), { ...use, now: present(db) });
  const [found] = await withoutProof(db, { version });
  return { is_current_version: found?.is_current_version === true, is_first_use: inserted.length > 0 };
}
