// Decides when a client loses a right, and makes its outstanding tokens inactive. A token contains the `token_version` that its
// client had, and every statement that decides about a token compares it. A new client under an old id has another number.
import type { Knex } from 'knex';
import { type Db, isPostgres } from '../store/db.ts';
import type { Client } from './clients.ts';

// In milliseconds, so that tokens of earlier versions of this server, which contain none, can be judged by when they were issued.
const now = (db: Db) =>
  isPostgres(db)
    ? { sql: 'floor(extract(epoch from clock_timestamp()) * 1000)::bigint', values: [] }
    : { sql: '?', values: [Date.now()] };

/** The `token_version` of a client that is created now. */
export function firstTokenVersion(db: Db): Knex.Raw {
  const { sql, values } = now(db);
  return db.raw(sql, values);
}

/** The `token_version` of a client that loses a right now; it makes all its outstanding access tokens inactive. */
export function raisedTokenVersion(db: Db): Knex.Raw {
  const { sql, values } = now(db);
  return db.raw(`${isPostgres(db) ? 'greatest' : 'max'}(token_version + 1, ${sql})`, values);
}

type Rights = Pick<Client, 'metadata' | 'first_party' | 'scope' | 'resource_server'>;

// Members that identify the client, and members that bind its tokens to a key.
const credentials = ['token_endpoint_auth_method', 'jwks', 'jwks_uri'] as const;
const bindings = ['dpop_bound_access_tokens', 'tls_client_certificate_bound_access_tokens'] as const;

/** Whether a change takes a right from the client, or replaces the credentials that authenticate it. */
export function losesRights(before: Rights, after: Rights): boolean {
  const grants = after.metadata.grant_types ?? [];
  return (
    (before.first_party && !after.first_party) ||
    narrows(before.scope, after.scope) ||
    before.metadata.grant_types?.some((one) => !grants.includes(one)) === true ||
    (before.resource_server !== null && before.resource_server !== after.resource_server) ||
    credentials.some((name) => before.metadata[name] !== undefined && differs(before, after, name)) ||
    bindings.some((name) => !before.metadata[name] && after.metadata[name])
  );
}

// An absent scope does not bound tokens of users and grants nothing to the client itself, so a change from or to it always
// takes a right away.
function narrows(before: string | null, after: string | null): boolean {
  if (before === after) return false;
  if (before === null || after === null) return true;
  const left = new Set(after.split(' '));
  return before.split(' ').some((scope) => !left.has(scope));
}

function differs(before: Rights, after: Rights, name: (typeof credentials)[number]): boolean {
  return JSON.stringify(before.metadata[name]) !== JSON.stringify(after.metadata[name]);
}
