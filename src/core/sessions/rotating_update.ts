// The conditional UPDATE that rotates a refresh token. Its WHERE alone decides: of concurrent calls it lets one rotate, and
// none once the session has ended, its user is inactive, or a client has changed since the client cache was read.
import { jtiHandle, jtiValues, replayModel, useJtiSql, useOnce } from '../engine_records/single_use.ts';
import type { RequestSource } from '../request_source.ts';
import { json } from '../store/columns.ts';
import { type Db, isPostgres, rows } from '../store/db.ts';
import { localCommitCondition } from '../store/local_commit.ts';
import { present } from '../store/sql_time.ts';
import { statement } from '../store/statements.ts';
import { isActiveSql } from '../users/active_users.ts';
import { isCurrentEpochSql, isExpiredSql, isLiveSql } from './live_session.ts';
import { isVersionSql, type PresentedSession } from './presented_session.ts';
import { type DecodedRefreshToken, proofSql } from './refresh_token.ts';
import { type TokenSession, tokenSessionColumns, tokenSessionSql } from './token_session.ts';

/** The `jti` of a DPoP proof, which the rotation records as used. */
export interface ProofUse {
  /** The client. */
  owner: string;
  /** Seconds for which the use is remembered. */
  ttl: number;
  /** `isSpent` is set once this request has recorded the `jti`; it then does not count as a replay. */
  proof: { jti: string; isSpent: boolean };
}

/** What a rotation writes. */
export interface Advance {
  session_id: string;
  /** The generation of the presented token, whose tag has been verified. */
  generation: number;
  /** The version of the client cache with which the caller decided; null when it did not use the cache. */
  version: number | null;
  source: RequestSource;
  proof: ProofUse | null;
}

// `<=` and not `=`: a higher generation under a valid tag means that the database lost its last seconds. The token is accepted
// and the row catches up.
const updateSql = (db: Db, more: string) => `
  update sessions s set generation = :presented + 1, rotated_at = :now, last_used_at = :now, ip = :ip, user_agent = :user_agent
  from users u
  where s.id = :id and s.generation <= :presented and ${isLiveSql(db, 's.', 'u.')} and u.id = s.user_id
    and ${isActiveSql('u.')} and ${isVersionSql} ${more}
    and ${localCommitCondition(db)}
  returning ${tokenSessionSql}`;

// The conditions under which a request without scope, resource and proof needs no other check: the proof is right (only the
// database has the salt), the session is this client's and bound to nothing, and all its resource servers are in the client cache.
const unbound = `and s.client_id = :client_id and ${proofSql('s.salt', ':presented')} = :proof
    and s.token_payload->'jkt' is null and s.token_payload->'x5t#S256' is null and s.token_payload->'dpop' is null
    and coalesce(s.token_payload->'resource' <@ cast(:resources as jsonb), true)`;

const advanceUnbound = statement<TokenSession>(
  { name: 'rotate_unbound', commit: 'local' },
  (db) => updateSql(db, unbound),
  tokenSessionColumns,
);

const advanceSql = (db: Db) => updateSql(db, '');
const advanceNow = statement<TokenSession>(
  { name: 'rotate', commit: 'local' },
  advanceSql,
  tokenSessionColumns,
);

export interface Unbound extends Omit<Advance, 'proof'> {
  token: DecodedRefreshToken;
  client_id: string;
  /** The identifiers of the resource servers whose tokens the caller can make. */
  resources: readonly string[];
}

/** Whether {@link rotateUnbound} is of use: RETURNING on SQLite has the columns of one table only, so the session is read first. */
export function rotatesAtOnce(db: Db): boolean {
  return isPostgres(db);
}

/**
 * Rotates the token of an unbound session in one statement. Null changes nothing: the token, the session or its user does not allow it,
 * the session is bound, or the client cache is outdated; {@link useRefreshToken} finds out which. Postgres only.
 */
export async function rotateUnbound(db: Db, given: Unbound): Promise<TokenSession | null> {
  const { token, client_id, resources } = given;
  const values = { ...valuesOf(given), proof: token.proof, client_id, resources: json(resources) };
  const [session] = await advanceUnbound(db, values);
  return session ?? null;
}

/**
 * The conditional UPDATE, for a session that the caller has read and checked. Null when the session does not allow it any more;
 * `replayed` when the `jti` of the proof was used before.
 */
export async function advance(
  db: Db,
  given: Advance,
  read: PresentedSession,
  at?: Date,
): Promise<TokenSession | 'replayed' | null> {
  if (!isPostgres(db)) return await advanceInSteps(db, given, read, at);
  if (given.proof && !given.proof.proof.isSpent) return await advanceWithProof(db, given, given.proof);
  const values = valuesOf(given);
  // `at` is for tests.
  const [session] = at
    ? await rows<TokenSession>(db, advanceSql(db), { ...values, now: present(db, at) }, tokenSessionColumns)
    : await advanceNow(db, values);
  return session ?? null;
}

type Proved = { is_first: boolean } & { [Name in keyof TokenSession]: TokenSession[Name] | null };

// The UPDATE comes after the INSERT, on which it depends; both are committed together.
const advanceProved = statement<Proved>(
  { name: 'rotate_with_proof', commit: 'local' },
  (db) => `
  with p as (${useJtiSql(db)}), r as (${updateSql(db, 'and exists (select 1 from p)')})
  select exists (select 1 from p) as is_first, r.* from (select 1) as one left join r on true`,
  { ...tokenSessionColumns, is_first: 'boolean' },
);

async function advanceWithProof(
  db: Db,
  given: Advance,
  { owner, ttl, proof }: ProofUse,
): Promise<TokenSession | 'replayed' | null> {
  const [found] = await advanceProved(db, { ...valuesOf(given), ...jtiValues(owner, proof.jti, ttl) });
  if (!found?.is_first) return 'replayed';
  proof.isSpent = true;
  const { is_first: _first, ...session } = found;
  return isRotated(session) ? session : null;
}

function isRotated(row: { id: string | null }): row is TokenSession {
  return row.id !== null;
}

/** Records the `jti` of the proof alone; false when it was used before. For a token that does not rotate. */
export async function spendProof(db: Db, use: ProofUse | null): Promise<boolean> {
  if (!use || use.proof.isSpent) return true;
  const { owner, ttl, proof } = use;
  proof.isSpent = await useOnce(db, replayModel, jtiHandle(owner, proof.jti), ttl);
  return proof.isSpent;
}

const stepSql = (db: Db) => `
  update sessions set generation = :presented + 1, rotated_at = :now, last_used_at = :now, ip = :ip, user_agent = :user_agent
  where id = :id and generation <= :presented and ended_at is null and not ${isExpiredSql(db)} and ${isCurrentEpochSql}
    and exists (select 1 from users u where u.id = sessions.user_id and ${isActiveSql('u.')}) and ${isVersionSql}
  returning id`;
const advanceStep = statement<{ id: string }>('rotate_step', stepSql);

// SQLite has no INSERT within an UPDATE. Steps cost no round trip there.
async function advanceInSteps(
  db: Db,
  given: Advance,
  read: PresentedSession,
  at?: Date,
): Promise<TokenSession | 'replayed' | null> {
  if (!(await spendProof(db, given.proof))) return 'replayed';
  const values = valuesOf(given);
  const [rotated] = at
    ? await rows<{ id: string }>(db, stepSql(db), { ...values, now: present(db, at) })
    : await advanceStep(db, values);
  return rotated ? read : null;
}

function valuesOf({ session_id, generation, version, source }: Omit<Advance, 'proof'>) {
  const { ip, user_agent } = source;
  return { id: session_id, presented: generation, version, ip, user_agent };
}
