// What lets a user log in again at once after too many wrong passwords.
import { networkOf } from '../../lib/network.ts';
import type { RateLimits } from '../limits/rate_limits.ts';
import { loginKey } from '../users/names.ts';
import type { User } from '../users/users.ts';

/**
 * Removes what was counted for the names of a user: the lockout, and the attempts from the network of `ip` where one is given. What was
 * counted for a network over all names stays, because other names are guessed from it as well. Call it after the commit that gave the
 * user a new password: the devices that knew the old one are known no more, so nothing is counted by them.
 */
export async function clearFailures(
  { lockout, password }: Pick<RateLimits, 'lockout' | 'password'>,
  { username, email }: Pick<User, 'username' | 'email'>,
  ip: string | null,
): Promise<void> {
  const names = [username, email].flatMap((name) => (name === null ? [] : loginKey(name)));
  for (const name of names) {
    await lockout.clear('name', name);
    if (ip !== null) await password.clear('name', name, networkOf(ip));
  }
}
