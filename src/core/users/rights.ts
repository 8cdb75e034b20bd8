// The form of roles, permissions and tenant ids. Every access token carries them, so they are short.
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
