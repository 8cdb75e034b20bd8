// Resource servers: the APIs that accept our access tokens, with the scopes that clients may request for them.
import { z } from 'zod';
import { AppError } from '../../lib/errors.ts';
import { type Columns, declareColumns, isText, json, type Table } from '../store/columns.ts';
import { isUniqueViolation } from '../store/database_errors.ts';
import type { Db } from '../store/db.ts';
import { present } from '../store/sql_time.ts';
import { type NamedClaims, namedClaims } from './named_claims.ts';
import { oidcScopes, ownScopes } from './own_scopes.ts';

/** The `typ` in the header of JWT access tokens: that of RFC 9068, or what libraries expect that do not know it. */
export type AccessTokenTyp = 'at+jwt' | 'JWT';

export interface ResourceServer {
  /** An absolute URI without fragment (RFC 8707); the `aud` of its tokens. */
  identifier: string;
  name: string | null;
  /** Space-delimited. */
  scope: string;
  access_token_format: 'jwt' | 'opaque';
  access_token_typ: AccessTokenTyp;
  /** Seconds; null takes that of the client or of this server. */
  access_token_ttl: number | null;
  /** Claims of the profile in its access tokens, by their names there. */
  claims: NamedClaims | null;
  created_at: Date;
  updated_at: Date;
}

declare module 'knex/types/tables.js' {
  interface Tables {
    resource_servers: Table<ResourceServer>;
  }
}

export const resourceServerColumns = {
  claims: 'json',
  created_at: 'time',
  updated_at: 'time',
} as const satisfies Columns<ResourceServer>;
declareColumns('resource_servers', resourceServerColumns);

export const newResourceServer = z.strictObject({
  identifier: z
    .url()
    .max(2048)
    .refine((value) => !value.includes('#'), 'must not have a fragment')
    .meta({ pattern: '^[^#]+$' }),
  name: z.string().min(1).max(200).optional(),
  scope: z
    .string()
    .regex(
      /^([\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*)?$/,
      'must be scope tokens separated by single spaces',
    )
    .refine(
      (value) => !hasReservedScope(value),
      'must not name openid, profile, email, offline_access, roles, account or admin',
    )
    .default(''),
  access_token_format: z.enum(['jwt', 'opaque']).default('jwt'),
  access_token_typ: z
    .enum(['at+jwt', 'JWT'])
    .default('at+jwt')
    .describe('the `typ` in the header of its JWTs; `JWT` for libraries that do not know RFC 9068'),
  access_token_ttl: z.number().int().min(1).max(86_400).optional(),
  claims: namedClaims.optional(),
});

export type NewResourceServer = z.input<typeof newResourceServer>;

// A resource server with one of the server's own scopes would make the engine ask for consent every time, or open our own API.
const reserved = [...oidcScopes, ...ownScopes];

function hasReservedScope(scope: string): boolean {
  return scope.split(' ').some((one) => reserved.includes(one));
}

/** Registers a resource server; refuses with `resource_server_exists`. */
export async function createResourceServer(db: Db, input: NewResourceServer): Promise<ResourceServer> {
  const { name, access_token_ttl, claims, ...given } = newResourceServer.parse(input);
  const row = {
    ...given,
    name: name ?? null,
    access_token_ttl: access_token_ttl ?? null,
    claims: claims ? json(claims) : null,
    created_at: present(db),
    updated_at: present(db),
  };
  try {
    const [created] = await db('resource_servers').insert(row).returning('*');
    return created as ResourceServer;
  } catch (error) {
    throw isUniqueViolation(error) ? new AppError('resource_server_exists') : error;
  }
}

/** The resource server with exactly this identifier, or null. */
export async function findResourceServer(db: Db, identifier: string): Promise<ResourceServer | null> {
  if (!isText(identifier)) return null;
  return (await db('resource_servers').where({ identifier }).first()) ?? null;
}

/** The names of these resource servers by identifier, without those that are unknown or have no name. */
export async function findResourceServerNames(db: Db, identifiers: string[]): Promise<Map<string, string>> {
  // Pages show few; the limit bounds the statement for a user with very many consents.
  const asked = [...new Set(identifiers)].filter(isText).slice(0, 500);
  if (asked.length === 0) return new Map();
  const found = await db('resource_servers').whereIn('identifier', asked).select();
  return new Map(found.flatMap(({ identifier, name }) => (name === null ? [] : [[identifier, name]])));
}

/**
 * Refuses with `invalid_client_metadata` a client whose `member` names an API that is not registered. Such a client would get no
 * token, or could introspect none, without learning why. Our own API need not be registered.
 */
export async function requireRegistered(
  db: Db,
  member: 'resource_server' | 'default_resource',
  identifier: string,
  own_resource: string,
): Promise<void> {
  if (identifier === own_resource || (await findResourceServer(db, identifier))) return;
  throw new AppError(
    'invalid_client_metadata',
    `${member}: no resource server is registered as ${JSON.stringify(identifier.slice(0, 200))}; register it first, or name it exactly as it is registered`,
  );
}

/** A change of a resource server: an absent member stays, a null member returns to its default. */
export const resourceServerChange = z.strictObject({
  name: newResourceServer.shape.name.nullable(),
  scope: newResourceServer.shape.scope.removeDefault().optional(),
  access_token_format: newResourceServer.shape.access_token_format.removeDefault().optional(),
  access_token_typ: newResourceServer.shape.access_token_typ.removeDefault().optional(),
  access_token_ttl: newResourceServer.shape.access_token_ttl.nullable(),
  claims: newResourceServer.shape.claims.nullable(),
});

/** Changes a resource server; null when there is none. */
export async function updateResourceServer(
  db: Db,
  identifier: string,
  change: z.input<typeof resourceServerChange>,
): Promise<ResourceServer | null> {
  const { claims, ...given } = resourceServerChange.parse(change);
  const [updated] = await db('resource_servers')
    .where({ identifier })
    .update({
      ...given,
      ...(claims === undefined ? {} : { claims: claims && json(claims) }),
      updated_at: present(db),
    })
    .returning('*');
  return updated ?? null;
}

/** Resource servers in the order of their identifiers. */
export async function listResourceServers(db: Db, limit: number, after?: string): Promise<ResourceServer[]> {
  const query = db('resource_servers').orderBy('identifier').limit(limit);
  return await (after === undefined ? query : query.where('identifier', '>', after));
}

/** Removes a resource server. No new tokens are issued for it; existing ones live until they expire. False when there is none. */
export async function deleteResourceServer(db: Db, identifier: string): Promise<boolean> {
  return (await db('resource_servers').where({ identifier }).delete()) > 0;
}
