// What is known of a user beside their own row, and forgotten when they are deleted.
import type { Db } from '../store/db.ts';

/** The most rows of a kind that are forgotten at once. */
const most = 500;

/**
 * Forgets devices, consents, logins at the pages, and from where ended sessions were used: a few hundred of each at once,
 * true when nothing is left. What happened stays in the trail.
 */
export async function forgetSomePersonalData(db: Db, user_id: string): Promise<boolean> {
  // First the sessions: a device that goes while some still name it would change all of those in one statement.
  const used = db('sessions')
    .where({ user_id })
    .whereNotNull('ended_at')
    .where((one) => one.whereNotNull('device_id').orWhereNotNull('ip').orWhereNotNull('user_agent'))
    .limit(most)
    .select('id');
  const unused = db('devices')
    .where({ user_id })
    .whereNotExists(db('sessions').whereRaw('sessions.device_id = devices.id').select('id'))
    .limit(most)
    .select('id');
  const clients = db('consents').where({ user_id }).limit(most).select('client_id');
  const records = db('oidc_models').where({ user_id }).limit(most).select('id');
  const forgotten = [
    await db('sessions').whereIn('id', used).update({ device_id: null, ip: null, user_agent: null }),
    await db('devices').whereIn('id', unused).delete(),
    await db('known_browsers').where({ user_id }).delete(),
    await db('consents').where({ user_id }).whereIn('client_id', clients).delete(),
    await db('oidc_models').where({ user_id }).whereIn('id', records).delete(),
  ];
  return forgotten.every((count) => count < most);
}

/** The same for a user who has been deleted, and for nobody else: what a login in flight may have left behind. */
export async function forgetPersonalData(db: Db, user_id: string): Promise<void> {
  const deleted = await db('users').where({ id: user_id, status: 'deleted' }).first('id');
  if (deleted) await forgetSomePersonalData(db, user_id);
}
