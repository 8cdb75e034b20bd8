// The `acr` of a login at the login pages, and the lifetime of its browser session.
import type { Deps } from '../../core/deps.ts';
import { anonymousSessionTtl } from './anonymous_records.ts';

/** The `acr` of a login by password; a client may ask for it in `acr_values`. */
export const passwordAcr = 'urn:kindred:acr:password';

/**
 * How long a browser session lives unused, seconds: like any other session, and never beyond its absolute end. Without a user
 * it lives for minutes.
 */
export function browserSessionTtl({ config }: Deps, loggedInAt?: number): number {
  if (loggedInAt === undefined) return Math.min(config.sessionIdleTtl, anonymousSessionTtl);
  const left = loggedInAt + config.sessionAbsoluteTtl - Math.floor(Date.now() / 1000);
  return Math.max(1, Math.min(config.sessionIdleTtl, left));
}
