// Sessions through the admin API: list those of a user, read one, end one.
import { newId } from '../../../../src/lib/ids.ts';
import { enterAsAdmin, post, read, readPages, trailOf } from '../../../helpers/admin.ts';
import { makeUser } from '../../../helpers/builders.ts';
import { assertRefused, type Json } from '../../../helpers/client.ts';
import { api, isActive, refresh, signIn, tokensOf } from '../../../helpers/oauth.ts';
import { rowsOf } from '../../../helpers/rows.ts';
import { testOnServers } from '../../../helpers/server.ts';

const notFound = { status: 404, error: 'not_found' };

testOnServers('the list has the live sessions of one user, last used first', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const user = await makeUser(server.db);
  const form = { device_id: 'phone', device_name: 'Phone', platform: 'ios', app_version: '1.2' };
  const phone = await signIn(server, { user, form, extra: { headers: { 'User-Agent': 'phone/1.0' } } });
  const others = [
    await signIn(server, { user }),
    await signIn(server, { user }),
    await signIn(server, { user }),
  ];
  await signIn(server);
  const [ended] = others.splice(1, 1);
  await api(server, 'POST /logout', ended?.tokens.access_token, { json: {} });
  await refresh(server, phone.client, phone.tokens.refresh_token);
  const { items, pages } = await readPages(server, admin, `/users/${user.id}/sessions?limit=2`, 'sessions');
  const ids = [phone, ...others.toReversed()].map(({ tokens }) => tokens.session_id);
  t.deepEqual([items.map((one) => one.id), pages], [ids, [2, 1]]);
  const { created_at, last_used_at, expires_at, device, ...rest } = items[0] ?? {};
  t.deepEqual(rest, {
    id: phone.tokens.session_id,
    client: { client_id: phone.client.client_id, client_name: null },
    ip: '127.0.0.1',
    user_agent: null,
    last_ip: '127.0.0.1',
    last_user_agent: null,
    is_current: false,
  });
  const { id: _, ...known } = device as Json;
  t.deepEqual(known, { device_id: 'phone', name: 'Phone', platform: 'ios', app_version: '1.2' });
  t.true(String(created_at) < String(last_used_at) && String(last_used_at) < String(expires_at));
  const nobody = await makeUser(server.db);
  t.deepEqual(await read(server, admin, `/users/${nobody.id}/sessions`), { sessions: [], next_cursor: null });
});

testOnServers('any session can be read, and ended once', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const { user, client, tokens } = await signIn(server, { form: { device_id: 'phone', push_token: 'push' } });
  const next = tokensOf(await refresh(server, client, tokens.refresh_token));
  const path = `/sessions/${tokens.session_id}`;
  t.like(await read(server, admin, path), {
    id: tokens.session_id,
    user_id: user.id,
    generation: 1,
    ended_at: null,
    ended_reason: null,
    ended_by: null,
    is_current: false,
  });
  const bystander = await signIn(server, { user });
  const { status, headers } = await api(server, `DELETE /admin${path}`, admin.token);
  t.is(status, 204);
  t.is(await isActive(server, next.access_token), false);
  const over = { status: 400, error: 'invalid_grant', reason: 'session_ended' };
  assertRefused(t, await refresh(server, client, next.refresh_token), over);
  t.is(await isActive(server, bystander.tokens.access_token), true, 'the others go on');
  const story = await read(server, admin, path);
  t.like(story, { ended_reason: 'ended_by_admin', ended_by: 'admin', user_id: user.id });
  t.is((story.rotations as Json[]).length, 1);
  t.is((await api(server, `DELETE /admin${path}`, admin.token)).status, 204, 'a repetition succeeds');
  t.deepEqual(await read(server, admin, path), story, 'and changes nothing');
  const [event, ...more] = await trailOf(server, admin, `session_id=${tokens.session_id}&type=session_ended`);
  t.like(event, { actor: 'admin', actor_id: admin.user.id, request_id: headers['x-request-id'] });
  t.deepEqual(more, []);
  const [phone] = await rowsOf(server.db('devices').where({ user_id: user.id }));
  t.is(phone.push_token, null);
  await post(server, admin, `/users/${user.id}/delete`, { reason: 'gone' });
  t.like(await read(server, admin, path), { ended_reason: 'ended_by_admin', device: null, ip: null });
});

testOnServers('an id that belongs to no session is not found', async (t, server) => {
  const admin = await enterAsAdmin(server);
  for (const id of [newId(), admin.user.id, 'x', '%00', "'"]) {
    for (const method of ['GET', 'DELETE']) {
      assertRefused(
        t,
        await api(server, `${method} /admin/sessions/${id}`, admin.token),
        notFound,
        `${method} ${id}`,
      );
    }
  }
  for (const id of [newId(), admin.tokens.session_id, 'x', '%00']) {
    assertRefused(t, await api(server, `GET /admin/users/${id}/sessions`, admin.token), notFound, id);
  }
});
