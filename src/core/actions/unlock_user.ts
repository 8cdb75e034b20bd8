// Letting a user try again at once: an administrator removes what was counted against the user.
import { networkOf } from '../../lib/network.ts';
import { listEvents } from '../audit/audit_search.ts';
import type { Deps } from '../deps.ts';
import { clearGuesses } from '../one_time_codes/guesses.ts';
import { clearFailures } from '../passwords/unlock.ts';
import { listDevices } from '../users/device_list.ts';
import { type Initiator, lockTarget, recordEventOf } from './initiator.ts';

/** The most failed logins whose networks are looked at, and the most devices. */
const considered = 50;

/**
 * Removes all counters of a user: lockouts and wrong passwords of the names and devices, changes of password and username, wrong
 * codes. What was counted for a network over all names stays. Refuses with `user_not_found`, `not_yourself`, `right_missing` and
 * `insufficient_user_authentication`: a thief of a session could otherwise guess the password without an end.
 */
export async function unlockUser(
  { db, limits, audit }: Pick<Deps, 'db' | 'limits'> & { audit: Deps['audit'] | null },
  id: string,
  { reason, ...initiator }: Initiator & { reason: string | null },
): Promise<void> {
  await audit?.flush();
  const user = await db.transaction(async (tx) => {
    const locked = await lockTarget(tx, id, initiator);
    await clearGuesses(tx, id);
    await recordEventOf(tx, initiator, { type: 'user_unlocked', user_id: id, reason });
    return locked;
  });
  const { events } = await listEvents(db, { user_id: id, type: 'login_failed', limit: considered });
  const networks = new Map(events.flatMap(({ ip }) => (ip === null ? [] : [[networkOf(ip), ip] as const])));
  await clearFailures(limits, user, null);
  for (const ip of networks.values()) await clearFailures(limits, user, ip);
  for (const device of await listDevices(db, id, { limit: considered }))
    await limits.lockout.clear('known', device.id);
  await limits.passwordChange.clear(id);
  await limits.usernameChange.clear(id);
}
