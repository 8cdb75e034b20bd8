// The schemas of the members of a client that have a column of their own, which administrators alone set: limits, scope and profile.
import { z } from 'zod';
import { namedClaims } from './named_claims.ts';
import { rotationProfiles } from './rotation_profiles.ts';

export const uri = z.url().max(2048);
const ttl = z.number().int().min(1).max(315_360_000);
const scope = z
  .string()
  .regex(
    /^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/,
    'must be scope tokens separated by single spaces',
  );

export const columnShape = {
  scope: scope.optional(),
  rotation_profile: z
    .enum(rotationProfiles)
    .optional()
    .describe(
      'what happens to a refresh token that comes twice: strict ends the session at once, web forgives for 20 seconds, spa and mobile for 60, observe ends nothing; without it a public client gets mobile and any other one web',
    ),
  refresh_token_retry_window: z
    .number()
    .int()
    .min(0)
    .max(86_400)
    .optional()
    .describe(
      'seconds after a refresh in which the previous refresh token gets the same answer again; replaces those of the profile',
    ),
  /** At most a day: the session may live long, its access tokens may not. */
  access_token_ttl: ttl.max(86_400).optional(),
  session_idle_ttl: ttl.optional(),
  session_absolute_ttl: ttl.optional(),
  max_sessions: z
    .number()
    .int()
    .min(1)
    .max(1_000)
    .optional()
    .describe(
      'the most live sessions that one user has with this client; a further login ends the session unused for longest',
    ),
  resource_server: z.union([uri, z.literal('*')]).optional(),
  /** The audience of its tokens when a request names none. */
  default_resource: uri.optional(),
  claims: namedClaims.optional(),
};
