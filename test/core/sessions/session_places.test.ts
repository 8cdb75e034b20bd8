// From where a session was opened and used, as lists show it: of a confidential client, the user's place and not the backend's.

import { endSession } from '../../../src/core/sessions/end_sessions.ts';
import {
  findUserSession,
  listEndedSessions,
  listLiveSessions,
} from '../../../src/core/sessions/session_list.ts';
import { makeClient, makeUser, openTestSession, present } from '../../helpers/builders.ts';
import { rotate } from '../../helpers/rotate.ts';
import { testOnStores } from '../../helpers/stores.ts';

const browser = { ip: '203.0.113.9', user_agent: 'Mozilla/5.0 (X11; Linux x86_64)', request_id: 'login' };
const backend = { ip: '198.51.100.7', user_agent: 'openid-client/6.8', request_id: 'refresh' };
const placed = ({ ip, user_agent }: typeof browser) => [ip, user_agent];

const kinds = [
  ['none', 'admin', backend],
  ['client_secret_basic', 'admin', browser],
  ['private_key_jwt', 'admin', browser],
  [undefined, 'itself', browser],
  [undefined, 'document', backend],
] as const;

testOnStores(
  'a session of a confidential client keeps the address and device of its login when a backend refreshes',
  async (t, { db }) => {
    for (const [method, registered_by, shown] of kinds) {
      const user = await makeUser(db);
      const client = await makeClient(db);
      const metadata = { ...client.metadata, token_endpoint_auth_method: method };
      await db('clients')
        .where({ client_id: client.client_id })
        .update({ metadata: JSON.stringify(metadata), registered_by });
      const session = await openTestSession(db, { user, client, source: browser });
      t.is((await rotate(db, present(session, 0, { source: backend }))).outcome, 'rotated');
      const expected = [placed(shown), placed(backend)];
      const places = (found: Awaited<ReturnType<typeof listLiveSessions>>[number] | null | undefined) => [
        [found?.ip, found?.user_agent],
        [found?.last_ip, found?.last_user_agent],
      ];
      t.deepEqual(places((await listLiveSessions(db, user.id))[0]), expected, method);
      const one = await findUserSession(db, user.id, session.id);
      t.deepEqual([one?.ip, one?.last_ip], [shown.ip, backend.ip], method);

      await db('sessions').where({ id: session.id }).update({ login_ip: null, login_user_agent: null });
      const last = [placed(backend), placed(backend)];
      t.deepEqual(places((await listLiveSessions(db, user.id))[0]), last, 'of an earlier version');
      await endSession(db, session.id, { reason: 'logout', actor: 'user' });
      t.is((await listEndedSessions(db, user.id, 10))[0]?.last_ip, backend.ip);
    }
  },
);
