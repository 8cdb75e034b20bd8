// Types of columns guessed from their names. Migrations were written against it and cannot be edited; nothing else may
// use it: tables and statements declare their columns (columns.ts).
const jsonColumns = new Set([
  'roles',
  'permissions',
  'metadata',
  'secrets',
  'grant_payload',
  'token_payload',
  'payload',
  'public_jwk',
  'granted',
  'detail',
  'which',
  'ending',
]);
const booleanColumns = new Set([
  'first_party',
  'is_expired',
  'is_active',
  'is_current',
  'is_live',
  'is_plain',
  'is_known',
  'is_ready',
  'is_revoked',
  'user_is_active',
  'in_window',
  'client_exists',
]);

/** A row that SQLite returned, with the types that the names of its columns suggest. Changes the row itself. */
export function reviveByName(row: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(row)) {
    if (value === null) continue;
    if (name.endsWith('_at') && typeof value === 'number') row[name] = new Date(value);
    else if (booleanColumns.has(name)) row[name] = value === 1;
    else if (jsonColumns.has(name) && typeof value === 'string') row[name] = JSON.parse(value);
  }
}
