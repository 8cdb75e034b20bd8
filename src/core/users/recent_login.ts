// What users may do to themselves only shortly after they have proved who they are.
import { AppError } from '../../lib/errors.ts';
import type { Clock } from '../store/clock.ts';

/** Seconds since the login beyond which such a call asks for another one. */
const recentLogin = 900;

/** Refuses with `insufficient_user_authentication` (RFC 9470, 3) a login that is older than 15 minutes. `auth_time` in seconds. */
export function requireRecentLogin(clock: Clock, auth_time: number | undefined): void {
  const age = clock.now() / 1000 - (auth_time ?? Number.NEGATIVE_INFINITY);
  if (age > recentLogin)
    throw new AppError('insufficient_user_authentication', undefined, { maxAge: recentLogin });
}
