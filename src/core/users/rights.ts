// What a user may be given: roles, permissions, a tenant. They travel in every access token, so they are short.
import { z } from 'zod';

const words = z
  .array(z.string().regex(/^[\x21-\x7e]{1,100}$/, 'must be 1 to 100 visible ASCII characters'))
  .max(100);

/** Roles or permissions. */
export const roles = words;
export const permissions = words;

/** The tenant's id: up to 100 characters, none of them a control character. */
export const tenantId = z
  .string()
  .regex(/^[^\p{Cc}\p{Cs}]{1,100}$/u, 'must be 1 to 100 characters without control characters');
