import { makeUser, password } from '../../helpers/builders.ts';
import { assertRefused, granted } from '../../helpers/client.ts';
import { api, introspect, isActive, login, refresh, signIn, tokensOf } from '../../helpers/oauth.ts';
import { change, fresh, signInThrice } from '../../helpers/password_change.ts';
import { rowOf } from '../../helpers/rows.ts';
import { testOnServers } from '../../helpers/server.ts';

testOnServers(
  'changing the password ends every other session, and the current one goes on',
  async (t, server) => {
    const { user, client, own, others } = await signInThrice(server);
    t.deepEqual(granted(await change(server, own.access_token)), { sessions_ended: 2 });

    for (const other of others) {
      t.false(await isActive(server, other.access_token));
      t.false(await isActive(server, other.refresh_token));
      const answer = await refresh(server, client, other.refresh_token);
      assertRefused(t, answer, { status: 400, error: 'invalid_grant', reason: 'session_ended' });
    }
    const old = await api(server, 'GET /me', own.access_token);
    assertRefused(t, old, { status: 401, error: 'invalid_token' });
    const healed = tokensOf(await refresh(server, client, own.refresh_token));
    t.is((await api(server, 'GET /me', healed.access_token)).status, 200);
    t.is((await introspect(server, healed.access_token)).token_version, 1);

    const refused = await login(server, user, client);
    assertRefused(t, refused, { status: 400, error: 'invalid_grant' });
    t.is((await login(server, user, client, { password: fresh })).status, 200);
  },
);

testOnServers('the audit trail and the sessions show who changed the password', async (t, server) => {
  const { user, own, others, push } = await signInThrice(server);
  await change(server, own.access_token);
  const ended = await server
    .db('sessions')
    .where({ user_id: user.id })
    .whereNotNull('ended_at')
    .orderBy('id');
  t.deepEqual(
    ended.map((one) => [one.id, one.ended_reason, one.ended_by, one.ended_by_id]),
    others.map((one) => [one.session_id, 'password_changed', 'user', user.id]),
  );
  const event = await rowOf(
    server.db('audit_events').where({ user_id: user.id, type: 'password_changed' }).first(),
  );
  t.deepEqual(
    [event.session_id, event.actor, event.actor_id, event.ip],
    [own.session_id, 'user', user.id, '127.0.0.1'],
  );
  t.regex(event.request_id ?? '', /^[0-9a-f-]{36}$/);
  const devices = await server.db('devices').where({ user_id: user.id }).orderBy('device_id');
  t.deepEqual(
    devices.map((one) => [one.device_id, one.push_token]),
    [
      ['one', push],
      ['two', null],
    ],
  );
});

testOnServers('a wrong current password changes nothing', async (t, server) => {
  const { user, client, own, others } = await signInThrice(server);
  for (const current_password of ['wrong', '', `${password} `, fresh]) {
    const answer = await change(server, own.access_token, { current_password });
    assertRefused(t, answer, { status: 403, error: 'invalid_credentials' });
  }
  for (const { access_token } of [own, ...others]) t.true(await isActive(server, access_token));
  t.is((await login(server, user, client)).status, 200);
});

testOnServers('a weak password is refused with its reason, and nothing changes', async (t, server) => {
  const user = await makeUser(server.db, { username: `mary-${server.store}`, email: 'lamb@example.com' });
  const { tokens } = await signIn(server, { user });
  for (const [new_password, reason] of [
    ['short', 'password_too_short'],
    ['', 'password_too_short'],
    ['x y'.repeat(100), 'password_too_long'],
    ['z'.repeat(10_240), 'password_too_long'],
    ['Password123', 'password_too_common'],
    [`Mary-${server.store}99`, 'password_is_name'],
    ['lamb@example.com', 'password_is_name'],
  ] as const) {
    const answer = await change(server, tokens.access_token, { new_password });
    assertRefused(t, answer, { status: 400, error: 'weak_password', reason }, new_password.slice(0, 30));
  }
  t.true(await isActive(server, tokens.access_token));
});

testOnServers('a user without a password gets an error of its own', async (t, server) => {
  const { user, tokens } = await signIn(server);
  await server.db('users').where({ id: user.id }).update({ password_hash: null });
  for (const current_password of [password, '', 'null']) {
    const answer = await change(server, tokens.access_token, { current_password });
    assertRefused(t, answer, { status: 409, error: 'password_not_set' });
  }
});

testOnServers(
  'only the user can change the password, and only with exactly the two members',
  async (t, server) => {
    const { tokens } = await signIn(server);
    const json = { current_password: password, new_password: fresh };
    assertRefused(t, await api(server, 'POST /me/password', undefined, { json }), {
      status: 401,
      error: 'invalid_token',
    });
    for (const body of [
      { ...json, token_version: 0 },
      { ...json, user_id: 'x' },
      { current_password: password },
      { new_password: fresh },
      { ...json, new_password: null },
      { ...json, new_password: [fresh] },
      [],
    ]) {
      const answer = await api(server, 'POST /me/password', tokens.access_token, { json: body });
      assertRefused(t, answer, { status: 400, error: 'invalid_request' }, JSON.stringify(body));
    }
    t.true(await isActive(server, tokens.access_token));
  },
);
