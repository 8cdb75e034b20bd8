// What the audit trail never contains, and that events cannot be changed.
import { isPostgres } from '../../../../src/core/store/db.ts';
import { newId } from '../../../../src/lib/ids.ts';
import { enterAsAdmin, enterAsClient, post, readPages } from '../../../helpers/admin.ts';
import { makeUser, password } from '../../../helpers/builders.ts';
import { api, login, refresh, signIn, tokensOf } from '../../../helpers/oauth.ts';
import { rowsOf } from '../../../helpers/rows.ts';
import { testOnOwnServers } from '../../../helpers/server.ts';

testOnOwnServers('the audit trail contains no secret, token or password', {}, async (t, server) => {
  const admin = await enterAsAdmin(server);
  const machine = await enterAsClient(server, 'admin account');
  const secrets = [
    admin.token,
    admin.tokens.refresh_token,
    machine.token,
    machine.client.client_secret,
    password,
  ];
  const push_token = 'a-push-token-of-somebody';
  const { user, client, tokens } = await signIn(server, {
    form: { device_id: 'a-device-of-somebody', push_token },
  });
  const next = tokensOf(await refresh(server, client, tokens.refresh_token));
  await refresh(server, client, tokens.refresh_token);
  await login(server, user, client, { password: 'the-wrong-password' });
  await login(server, { username: 'typed-password-as-name' }, client);
  const made = await post(server, admin, '/clients', { first_party: true });
  const added = await post(server, admin, `/clients/${made.body.client_id}/secrets`);
  const fresh = { username: 'newcomer', email: 'newcomer@example.test', password: 'the-password-of-fresh' };
  const { body } = await post(server, admin, '/users', fresh);
  const json = { email: 'renamed@example.test', username: 'renamed' };
  await api(server, `PATCH /admin/users/${body.id}`, admin.token, { json });
  const changed = { current_password: password, new_password: 'another horse, another staple' };
  await api(server, 'POST /me/password', admin.token, { json: changed });
  secrets.push(tokens.access_token, tokens.refresh_token, next.access_token, next.refresh_token, push_token);
  secrets.push(
    'the-wrong-password',
    'typed-password-as-name',
    'a-device-of-somebody',
    ...Object.values(changed),
  );
  secrets.push(
    String(made.body.client_secret),
    String(added.body.client_secret),
    ...Object.values(fresh),
    ...Object.values(json),
  );
  const { items } = await readPages(server, machine, '/events?limit=200', 'events');
  t.true(items.length >= 10, String(items.length));
  const text = JSON.stringify(items);
  for (const secret of secrets) {
    t.false(text.includes(secret), secret);
    // Nor the secret part of a token.
    t.false(text.includes(secret.slice(-20)), secret);
  }
});

testOnOwnServers('events cannot be changed or deleted', {}, async (t, server) => {
  const { db } = server;
  await signIn(server, { user: await makeUser(db) });
  const before = await rowsOf(db('audit_events'));
  t.is(before.length, 1);
  const appendOnly = { message: /audit_events is append-only/ };
  await t.throwsAsync(async () => await db('audit_events').update({ ip: '192.0.2.1' }), appendOnly);
  await t.throwsAsync(
    async () =>
      await db('audit_events').where('id', newId()).orWhere('id', before[0].id).update({ detail: null }),
    appendOnly,
  );
  if (isPostgres(db)) {
    await t.throwsAsync(async () => await db('audit_events').delete(), appendOnly);
    await t.throwsAsync(async () => await db.raw('truncate audit_events'), appendOnly);
  }
  t.deepEqual(await db('audit_events'), before);
});
