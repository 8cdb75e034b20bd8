// What is known of a user beside their own row, and forgotten when they are deleted.
import type { Db } from './db.ts';

/** Forgets devices, consents, logins at the pages, and from where sessions were used. What happened stays in the trail. */
export async function forgetTraces(db: Db, user_id: string): Promise<void> {
  await db('devices').where({ user_id }).delete();
  await db('consents').where({ user_id }).delete();
  await db('oidc_models').where({ user_id }).delete();
  await db('sessions').where({ user_id }).update({ ip: null, user_agent: null });
}

/** The same for a user who has been deleted, and for nobody else: what a login in flight may have left behind. */
export async function forgetTracesOfDeleted(db: Db, user_id: string): Promise<void> {
  const deleted = await db('users').where({ id: user_id, status: 'deleted' }).first('id');
  if (deleted) await forgetTraces(db, user_id);
}
