// How recent the login of an administrator must be (RFC 9470): to change something, and to change a user with rights of administration.
import type { ExecutionContext } from 'ava';
import { newId } from '../../../../src/lib/ids.ts';
import { adminRoutes, enterAsAdmin, enterAsClient, post } from '../../../helpers/admin.ts';
import { makeUser } from '../../../helpers/builders.ts';
import { type Answer, assertRefused, granted } from '../../../helpers/client.ts';
import { api } from '../../../helpers/oauth.ts';
import { agedBy } from '../../../helpers/proofs.ts';
import { testOnServers } from '../../../helpers/server.ts';

function assertAsksForProof(t: ExecutionContext, answer: Answer, max_age: number, note = ''): void {
  assertRefused(t, answer, { status: 401, error: 'insufficient_user_authentication' }, note);
  const said = answer.headers['www-authenticate'] ?? '';
  t.regex(said, /^Bearer realm="[^"]+", /, note);
  t.true(said.includes('error="insufficient_user_authentication"'), note);
  t.true(said.includes(`max_age="${max_age}"`), `${note} ${said}`);
}

testOnServers('after 15 minutes an administrator reads on, and changes nothing', async (t, server) => {
  const admin = await agedBy(server, await enterAsAdmin(server), 901);
  for (const { method, path, body } of adminRoutes) {
    const line = `${method.toUpperCase()} ${path.replaceAll(/:\w+/g, newId())}`;
    const answer = await api(server, line, admin.token, body ? { json: { nonsense: true } } : {});
    if (method === 'get') t.false([401, 403].includes(answer.status), line);
    else assertAsksForProof(t, answer, 900, line);
  }
  const { id } = await makeUser(server.db);
  assertAsksForProof(t, await post(server, admin, `/users/${id}/ban`, { reason: 'spam' }), 900);
  t.like(await server.db('users').where({ id }).first(), { status: 'active' });
  const again = await enterAsAdmin(server, { user: admin.user });
  granted(await post(server, again, `/users/${id}/ban`, { reason: 'spam' }));
});

testOnServers(
  'a user with rights of administration is changed within 5 minutes of the login',
  async (t, server) => {
    const admin = await agedBy(server, await enterAsAdmin(server), 310);
    const plain = await makeUser(server.db);
    granted(await post(server, admin, `/users/${plain.id}/ban`, { reason: 'spam' }));
    for (const rights of [{ roles: ['admin'] }, { permissions: ['admin:read'] }]) {
      const { id } = await makeUser(server.db, rights);
      const reason = { reason: 'a stolen token' };
      for (const verb of ['ban', 'disable', 'delete', 'force-logout'])
        assertAsksForProof(t, await post(server, admin, `/users/${id}/${verb}`, reason), 300, verb);
      const demote = { json: { roles: [], permissions: [] } };
      assertAsksForProof(t, await api(server, `PATCH /admin/users/${id}`, admin.token, demote), 300);
      const path = `PATCH /admin/users/${plain.id}`;
      assertAsksForProof(t, await api(server, path, admin.token, { json: rights }), 300, 'makes one');
      t.like(await server.db('users').where({ id }).first(), { status: 'active', token_version: 0 });
    }
  },
);

testOnServers('a machine client proves itself by its own authentication', async (t, server) => {
  const machine = await enterAsClient(server, 'admin');
  const { id } = await makeUser(server.db, { roles: ['admin'] });
  await makeUser(server.db, { roles: ['admin'] });
  t.like(granted(await post(server, machine, `/users/${id}/ban`, { reason: 'spam' })), { sessions_ended: 0 });
});
