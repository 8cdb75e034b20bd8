// Personal data beside the user's own row, which is erased when the user is deleted. Events stay in the audit trail.
import type { Db } from '../store/db.ts';

/** The columns of a session that say from where it was opened and used. */
const whence = { device_id: null, ip: null, user_agent: null, login_ip: null, login_user_agent: null };

/** The most rows of one table that are erased at once. */
const batchSize = 500;

/**
 * Erases devices, consents, logins at the pages, codes, mails that were not sent, and from where ended sessions were opened
 * and used: one batch of each. Returns true when nothing is left.
 */
export async function forgetSomePersonalData(db: Db, user_id: string): Promise<boolean> {
  // Sessions first: deleting a device that sessions still name would change all of them in one statement.
  const used = await db('sessions')
    .where({ user_id })
    .whereNotNull('ended_at')
    .where((one) => {
      for (const column of Object.keys(whence)) one.orWhereNotNull(column);
    })
    .limit(batchSize)
    .pluck<string[]>('id');
  await db('session_rotations').whereIn('session_id', used).delete();
  const unused = db('devices')
    .where({ user_id })
    .whereNotExists(db('sessions').whereRaw('sessions.device_id = devices.id').select('id'))
    .limit(batchSize)
    .select('id');
  const clients = db('consents').where({ user_id }).limit(batchSize).select('client_id');
  // The last mail tells the user of the deletion.
  const mails = db('outbox')
    .where({ user_id, kind: 'mail' })
    .whereNot({ subject: 'user_deleted' })
    .limit(batchSize)
    .select('id');
  const codes = db('one_time_codes').where({ user_id }).limit(batchSize).select('id');
  const records = db('oidc_models').where({ user_id }).limit(batchSize).select('id');
  const erased = [
    await db('sessions').whereIn('id', used).update(whence),
    await db('devices').whereIn('id', unused).delete(),
    await db('known_browsers').where({ user_id }).delete(),
    await db('consents').where({ user_id }).whereIn('client_id', clients).delete(),
    await db('oidc_models').where({ user_id }).whereIn('id', records).delete(),
    await db('one_time_codes').whereIn('id', codes).delete(),
    await db('outbox').whereIn('id', mails).delete(),
  ];
  return erased.every((count) => count < batchSize);
}

/** The same if the user has been deleted: erases what a login that was in flight may have left behind. */
export async function forgetPersonalData(db: Db, user_id: string): Promise<void> {
  const deleted = await db('users').where({ id: user_id, status: 'deleted' }).first('id');
  if (deleted) await forgetSomePersonalData(db, user_id);
}
