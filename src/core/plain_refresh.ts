// A refresh of a plain session in one statement: what decides it, the rotation, and what the answer is made of.
import type { Knex } from 'knex';
import type { Origin } from './audit.ts';
import { isKnownSql, type KnownClient } from './client_cache.ts';
import { type Db, isPostgres } from './db.ts';
import { type DecodedRefreshToken, proofSql, verifyProof } from './refresh_token.ts';
import type { ResourceServer } from './resource_servers.ts';
import { advance } from './rotation.ts';
import { isExpiredSql, type Session } from './sessions.ts';
import { statement } from './statements.ts';
import { isActiveSql, type User } from './users.ts';

type OfSession = Pick<
  Session,
  | 'user_id'
  | 'salt'
  | 'generation'
  | 'grant_payload'
  | 'token_payload'
  | 'idle_ttl'
  | 'created_at'
  | 'absolute_expires_at'
>;

/** A session that has just been rotated, with its user as it is now. */
export interface Refreshed
  extends OfSession,
    Pick<User, 'roles' | 'permissions' | 'tenant_id' | 'token_version'> {
  /** Of the resource server that the tokens are for; null when it is our own API and not registered beside. */
  api_scope: ResourceServer['scope'] | null;
  api_ttl: ResourceServer['access_token_ttl'];
}

export interface PlainRefresh {
  /** Its tag has been verified; its proof has not. */
  token: DecodedRefreshToken;
  /** It has been authenticated. */
  client: KnownClient;
  /** The identifier of our own API. */
  own_resource: string;
  origin: Origin;
}

const ofApi = (column: string) =>
  `(select r.${column} from resource_servers r where r.identifier = s.token_payload->>'resource')`;

const columns = `s.user_id, s.salt, s.generation, s.grant_payload, s.token_payload, s.idle_ttl, s.created_at, s.absolute_expires_at,
    u.roles, u.permissions, u.tenant_id, u.token_version, ${ofApi('scope')} as api_scope, ${ofApi('access_token_ttl')} as api_ttl`;

const conditions = (
  db: Db,
) => `s.id = :id and s.generation <= :presented and s.ended_at is null and not ${isExpiredSql(db, 's.')}
    and s.is_plain and coalesce(${ofApi('access_token_format')} = 'jwt', s.token_payload->>'resource' = :own_resource)
    and u.id = s.user_id and ${isActiveSql('u.')} and c.client_id = s.client_id and ${isKnownSql(db)}`;

// The proof is checked by the database, which alone knows the salt: no SELECT has to come first.
const rotateAtOnce = statement<Refreshed>(
  'plain_refresh',
  (db) => `
  update sessions s set generation = :presented + 1, rotated_at = :now, last_used_at = :now, ip = :ip, user_agent = :user_agent
  from users u, clients c
  where ${conditions(db)} and ${proofSql('s.salt', ':presented')} = :proof
  returning ${columns}`,
);

const look = statement<Refreshed>(
  'plain_session',
  (db) => `select ${columns} from sessions s, users u, clients c where ${conditions(db)}`,
);

/**
 * Rotates and returns the session, or returns null and has done nothing: it is not plain, is over, is its user's no more,
 * is not this client's (or the client has changed), or the token is not the current one. Whatever it is, the engine's
 * path finds out and says so.
 */
export async function refreshPlainSession(db: Db, refresh: PlainRefresh): Promise<Refreshed | null> {
  const { token, client, own_resource, origin } = refresh;
  const values = {
    id: token.session_id,
    presented: token.generation,
    client_id: client.client_id,
    version: client.version,
    own_resource,
  };
  if (!isPostgres(db)) return await refreshInSteps(db, refresh, values);
  const { ip, user_agent } = origin;
  const [session] = await rotateAtOnce(db, { ...values, proof: token.proof, ip, user_agent });
  return session ?? null;
}

// SQLite knows no SHA-256, and RETURNING there knows one table; but asking it twice costs no journey.
async function refreshInSteps(
  db: Db,
  { token, origin }: PlainRefresh,
  values: Record<string, Knex.RawBinding>,
): Promise<Refreshed | null> {
  const [session] = await look(db, values);
  if (!session || !verifyProof(token, session.salt)) return null;
  const generation = await advance(db, {
    session_id: token.session_id,
    generation: token.generation,
    origin,
  });
  return generation === null ? null : { ...session, generation };
}
