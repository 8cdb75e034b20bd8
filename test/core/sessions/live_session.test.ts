import { findSession } from '../../../src/core/sessions/find_session.ts';
import { expiresAt } from '../../../src/core/sessions/live_session.ts';
import { after, openTestSession } from '../../helpers/builders.ts';
import { testOnStores } from '../../helpers/stores.ts';

const login = new Date('2030-01-01T00:00:00.250Z');

testOnStores('a session expires at the end of its idle or its absolute lifetime', async (t, { db }) => {
  const session = await openTestSession(db, { idle_ttl: 60, absolute_ttl: 90 }, login);
  t.deepEqual(expiresAt(session), after(login, 60));
  t.deepEqual(expiresAt({ ...session, last_used_at: after(login, 59) }), after(login, 90));
  t.is((await findSession(db, session.id, after(login, 59.999)))?.is_expired, false);
  t.is((await findSession(db, session.id, after(login, 60)))?.is_expired, true);
});
