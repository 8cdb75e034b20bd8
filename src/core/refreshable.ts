// All that one refresh is decided on, read at once: the session, its user, its client, the API that its tokens are for.
import type { Client } from './clients.ts';
import type { Db } from './db.ts';
import type { ResourceServer } from './resource_servers.ts';
import { isExpiredSql, type Session } from './sessions.ts';
import { statement } from './statements.ts';
import { isActiveSql, type User } from './users.ts';

type OfSession = Pick<
  Session,
  | 'id'
  | 'user_id'
  | 'client_id'
  | 'salt'
  | 'generation'
  | 'grant_payload'
  | 'token_payload'
  | 'idle_ttl'
  | 'created_at'
  | 'absolute_expires_at'
>;
type OfUser = Pick<User, 'roles' | 'permissions' | 'tenant_id' | 'token_version'>;
type OfClient = Pick<
  Client,
  'metadata' | 'secrets' | 'first_party' | 'registered_by' | 'scope' | 'access_token_ttl'
>;

/** A session that lives, of a user who may use it, with what its next tokens are made of. */
export interface Refreshable extends OfSession, OfUser, OfClient {
  /** The resource server that the session's tokens are for; null when it is our own API or not registered. */
  resource_server: Pick<ResourceServer, 'scope' | 'access_token_format' | 'access_token_ttl'> | null;
}

interface Row extends OfSession, OfUser, OfClient {
  is_live: boolean;
  api_scope: ResourceServer['scope'] | null;
  api_format: ResourceServer['access_token_format'];
  api_ttl: ResourceServer['access_token_ttl'];
}

// One statement over four primary keys, so that nothing of it is older than anything else, and nothing has to be cached
// that another node could change.
const read = statement<Row>(
  'refreshable',
  (db) => `
  select s.id, s.user_id, s.client_id, s.salt, s.generation, s.grant_payload, s.token_payload, s.idle_ttl, s.created_at,
    s.absolute_expires_at, s.ended_at is null and not ${isExpiredSql(db, 's.')} and ${isActiveSql('u.')} as is_live,
    u.roles, u.permissions, u.tenant_id, u.token_version,
    c.metadata, c.secrets, c.first_party, c.registered_by, c.scope, c.access_token_ttl,
    r.scope as api_scope, r.access_token_format as api_format, r.access_token_ttl as api_ttl
  from sessions s join users u on u.id = s.user_id join clients c on c.client_id = s.client_id
    left join resource_servers r on r.identifier = s.token_payload->>'resource'
  where s.id = :id`,
);

/** The session of this id when it lives and its user is active, else null. One SELECT. */
export async function findRefreshable(db: Db, id: string): Promise<Refreshable | null> {
  const [row] = await read(db, { id });
  if (!row?.is_live) return null;
  const { api_scope, api_format, api_ttl, is_live: _live, ...rest } = row;
  const resource_server =
    api_scope === null
      ? null
      : { scope: api_scope, access_token_format: api_format, access_token_ttl: api_ttl };
  return { ...rest, resource_server };
}
