// The form of roles, permissions and tenant ids, which every access token carries, so they are short; and the rights of administration among
// them: the role `admin`, which contains all, and the permissions `admin:…`. What an administrator may do with them: authority.ts.
import { z } from 'zod';

const shortNames = z
  .array(z.string().regex(/^[\x21-\x7e]{1,100}$/, 'must be 1 to 100 visible ASCII characters'))
  .max(100);

/** Roles or permissions. */
export const roles = shortNames;
export const permissions = shortNames;

/** The tenant's id: up to 100 characters, none of them a control character. */
export const tenantId = z
  .string()
  .regex(/^[^\p{Cc}\p{Cs}]{1,100}$/u, 'must be 1 to 100 characters without control characters')
  // The same in the dialects of other languages, for the OpenAPI document.
  .meta({ pattern: '^[^\\x00-\\x1f\\x7f-\\x9f]{1,100}$' });

/** The columns of a user's row that hold rights. */
export interface Holder {
  roles: readonly string[];
  permissions: readonly string[];
}

/**
 * The rights of administration of a user: `['admin']` with the role, else the permissions that begin with `admin:`. One of these that this
 * version does not know counts as well, because a later version may.
 */
export function rightsOf({ roles, permissions }: Holder): string[] {
  if (roles.includes('admin')) return ['admin'];
  return permissions.filter((permission) => permission.startsWith('admin:'));
}

/** Whether these rights contain this one. */
export function holdsRight(rights: readonly string[], right: string): boolean {
  return rights.includes('admin') || rights.includes(right);
}

/** Whether a user may have a token with this scope of administration: `admin` with any right, a finer one with that right. */
export function mayHaveScope(holder: Holder, scope: string): boolean {
  const rights = rightsOf(holder);
  return scope === 'admin' ? rights.length > 0 : holdsRight(rights, scope);
}
