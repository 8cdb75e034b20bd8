// Refreshes a plain session in one statement, which checks all conditions, rotates, and returns the columns for the answer.
import type { Knex } from 'knex';
import { isCurrentVersionSql, type Registered } from '../clients/client_cache.ts';
import type { RequestSource } from '../request_source.ts';
import { json } from '../store/columns.ts';
import { type Db, isPostgres } from '../store/db.ts';
import { localCommitSql } from '../store/local_commit.ts';
import { statement } from '../store/statements.ts';
import { isActiveSql } from '../users/active_users.ts';
import { isLiveSql } from './live_session.ts';
import { type DecodedRefreshToken, proofSql, verifyProof } from './refresh_token.ts';
import { advance } from './rotation.ts';
import { type TokenSession, tokenSessionColumns, tokenSessionSql } from './token_session.ts';

export interface PlainRefresh {
  /** A token whose tag has been verified; the statement verifies its proof. */
  token: DecodedRefreshToken;
  /** The authenticated client and the resource servers, from the client cache. */
  known: Registered;
  /** The identifier of our own API. */
  own_resource: string;
  source: RequestSource;
}

const conditions = (db: Db) => `s.id = :id and s.generation <= :presented and ${isLiveSql(db, 's.', 'u.')}
    and s.is_plain and s.client_id = :client_id and s.token_payload->>'resource' ${isPostgres(db) ? '= any(:resources)' : 'in (select value from json_each(:resources))'}
    and u.id = s.user_id and ${isActiveSql('u.')} and ${isCurrentVersionSql}`;

// The database checks the proof, because only it has the salt. So no SELECT has to come first.
const rotateAtOnce = statement<TokenSession>(
  { name: 'plain_refresh', commit: 'local' },
  (db) => `
  update sessions s set generation = :presented + 1, rotated_at = :now, last_used_at = :now, ip = :ip, user_agent = :user_agent
  from users u
  where ${conditions(db)} and ${proofSql('s.salt', ':presented')} = :proof
  returning ${tokenSessionSql}${localCommitSql(db)}`,
  tokenSessionColumns,
);

const findPlainSession = statement<TokenSession>(
  { name: 'plain_session', commit: 'local' },
  (db) => `select ${tokenSessionSql} from sessions s, users u where ${conditions(db)}`,
  tokenSessionColumns,
);

/**
 * Rotates and returns the session. Returns null and changes nothing because the session is not plain, has ended, or belongs
 * to another client, because its user is not active, because the token is not the current one, or because a client or
 * resource server has changed. The engine's path then finds the reason and answers.
 */
export async function refreshPlainSession(db: Db, refresh: PlainRefresh): Promise<TokenSession | null> {
  const { token, known, source } = refresh;
  const values = {
    id: token.session_id,
    presented: token.generation,
    client_id: known.client.client_id,
    version: known.version,
  };
  const resources = plainResources(refresh);
  if (!isPostgres(db)) return await refreshInSteps(db, refresh, { ...values, resources: json(resources) });
  const { ip, user_agent } = source;
  const [session] = await rotateAtOnce(db, { ...values, resources, proof: token.proof, ip, user_agent });
  return session ?? null;
}

const findMiss = statement<{ is_current_version: boolean; is_plain: boolean | null }>(
  { name: 'plain_refresh_missed', commit: 'local' },
  () =>
    `select ${isCurrentVersionSql} as is_current_version, (select is_plain from sessions where id = :id) as is_plain`,
  { is_current_version: 'boolean', is_plain: 'boolean' },
);

/**
 * Why {@link refreshPlainSession} returned null. `is_current_version` is false when a client or resource server has changed
 * since this version of the client cache. `is_plain` is null when there is no such session; it never changes once the session
 * has tokens.
 */
export async function explainMiss(
  db: Db,
  session_id: string,
  version: number,
): Promise<{ is_current_version: boolean; is_plain: boolean | null }> {
  const [found] = await findMiss(db, { id: session_id, version });
  return found ?? { is_current_version: false, is_plain: null };
}

// The resource servers whose tokens are JWTs. Our own API need not be registered.
function plainResources({ known, own_resource }: PlainRefresh): string[] {
  const registered = [...known.servers.values()];
  const plain = registered.filter((one) => one.access_token_format === 'jwt').map((one) => one.identifier);
  return known.servers.has(own_resource) ? plain : [own_resource, ...plain];
}

// SQLite has no SHA-256, and its RETURNING can use one table only. Two statements cost no round trip there.
async function refreshInSteps(
  db: Db,
  { token, source }: PlainRefresh,
  values: Record<string, Knex.RawBinding>,
): Promise<TokenSession | null> {
  const [session] = await findPlainSession(db, values);
  if (!session || !verifyProof(token, session.salt)) return null;
  const { session_id, generation } = token;
  return (await advance(db, { session_id, generation, source })) === null ? null : session;
}
