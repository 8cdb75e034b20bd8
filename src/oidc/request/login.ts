// What a login at the login pages is worth: its `acr`, and how long its browser session lives.
import type { Deps } from '../../core/deps.ts';
import { strangerSessionTtl } from './strangers.ts';

/** How a user proved who they are here; what `acr` says, and what a client may ask for. */
export const passwordAcr = 'urn:kindred:acr:password';

/** Seconds that a browser session goes on unused: like any other session, never beyond its absolute end. Of nobody, minutes. */
export function browserSessionTtl({ config }: Deps, loggedInAt?: number): number {
  if (loggedInAt === undefined) return Math.min(config.sessionIdleTtl, strangerSessionTtl);
  const left = loggedInAt + config.sessionAbsoluteTtl - Math.floor(Date.now() / 1000);
  return Math.max(1, Math.min(config.sessionIdleTtl, left));
}
