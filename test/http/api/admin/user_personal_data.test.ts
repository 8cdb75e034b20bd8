// Personal data around a change of status: who sees the reason, what a deletion leaves, and what the audit trail keeps.
import { addConsent } from '../../../../src/core/actions/consents.ts';
import { saveRecord } from '../../../../src/core/engine_records/save_record.ts';
import { findUser } from '../../../../src/core/users/users.ts';
import { newId } from '../../../../src/lib/ids.ts';
import { enterAsAdmin, enterAsClient, post, trailOf } from '../../../helpers/admin.ts';
import { keyring, makeClient, makeUser } from '../../../helpers/builders.ts';
import { assertRefused, type Json } from '../../../helpers/client.ts';
import { api, login, refresh, signIn, token, tokensOf } from '../../../helpers/oauth.ts';
import { testOnServers } from '../../../helpers/server.ts';
import { dumpText } from '../../../helpers/tables.ts';

const wrongGrant = { status: 400, error: 'invalid_grant' };

testOnServers('the reason for a ban is shown only with the right password or token', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const { user, client, tokens } = await signIn(server, { client: await makeClient(server.db) });
  const rotated = tokensOf(await refresh(server, client, tokens.refresh_token));
  const message = 'Your account is under review. Write to help@example.test.';
  for (const verb of ['ban', 'disable'] as const) {
    const given = { reason: 'SECRET-REASON', message };
    t.is((await post(server, admin, `/users/${user.id}/${verb}`, given)).status, 200);
    const told = [await login(server, user, client), await refresh(server, client, rotated.refresh_token)];
    for (const answer of told) {
      assertRefused(t, answer, {
        ...wrongGrant,
        reason: `account_${verb === 'ban' ? 'banned' : 'disabled'}`,
      });
      t.is(answer.body.error_description, message);
      t.false(answer.text.includes('SECRET-REASON'));
    }
    const other = await makeClient(server.db);
    const forged = `${rotated.refresh_token.slice(0, -2)}AA`;
    for (const answer of [
      await login(server, user, client, { password: 'wrong password' }),
      await login(server, { username: 'nobody-at-all' }, client),
      await refresh(server, other, rotated.refresh_token),
      await refresh(server, client, forged),
      await token(server, {
        grant_type: 'refresh_token',
        refresh_token: rotated.refresh_token,
        client_id: 'x',
      }),
      await api(server, 'GET /me', rotated.access_token),
    ]) {
      t.is(answer.body.reason, undefined);
      t.false(answer.text.includes('review') || answer.text.includes('SECRET-REASON'), answer.text);
    }
  }
});

testOnServers('deleting a user erases all personal data and frees the names', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const user = await makeUser(server.db, {
    username: 'Grace.Hopper',
    email: 'grace@navy.example',
    roles: ['vip-of-grace'],
    permissions: ['ships:read-of-grace'],
    tenant_id: 'tenant-of-grace',
  });
  const device = {
    device_id: 'id-of-grace',
    device_name: 'Grace’s phone',
    push_token: 'push-of-grace',
    platform: 'platform-of-grace',
    app_version: 'version-of-grace',
  };
  const extra = { headers: { 'User-Agent': 'agent-of-grace' } };
  const { client, tokens } = await signIn(server, { user, form: device, extra });
  await refresh(server, client, tokens.refresh_token, {}, extra);
  const granted = { openid: ['openid'], claims: [], resources: {} };
  await addConsent(server.db, user.id, client.client_id, granted);
  await saveRecord(server.db, keyring, {
    model: 'Session',
    id: newId(),
    payload: { uid: newId(), accountId: user.id },
    ttl: 60,
    ip: '192.0.2.99',
    user_agent: 'browser-of-grace',
  });
  const answer = await post(server, admin, `/users/${user.id}/delete`, { reason: 'asked for it' });
  const nobody = {
    username: '',
    email: null,
    roles: [],
    permissions: [],
    tenant_id: null,
    status: 'deleted',
    status_reason: 'asked for it',
    status_message: null,
    ban_expires_at: null,
    token_version: 0,
  };
  t.like(answer.body.user, nobody);
  const {
    last_login_at: _,
    created_at: __,
    updated_at: ___,
    ...row
  } = (await findUser(server.db, user.id)) ?? {};
  const erased = { email_verified_at: null, password_hash: null, password_use: null, claims: null };
  const keys = {
    id: user.id,
    username_key: '',
    email_key: null,
    session_epoch: 1,
    code_version: 1,
    ...erased,
  };
  t.deepEqual({ ...row }, { ...nobody, ...keys } as never);
  for (const table of ['devices', 'consents', 'oidc_models']) {
    t.deepEqual(await server.db(table).where({ user_id: user.id }), [], table);
  }
  const [session] = await server.db('sessions').where({ user_id: user.id });
  t.like(session, { ip: null, user_agent: null, device_id: null, ended_reason: 'user_deleted' });
  // Events keep the address from which something was done, until they are deleted at the end of their retention.
  const rest = (await dumpText(server.db)).replaceAll('"user_agent":"agent-of-grace"', '');
  t.notRegex(rest, /of-grace|hopper|navy|Grace/i);
  const reborn = await post(server, admin, '/users', {
    username: 'grace.hopper',
    email: 'grace@navy.example',
  });
  t.is(reborn.status, 201);
  t.not(reborn.body.id, user.id);
});

testOnServers(
  'the audit trail has the actor, the reason, the address and the request id of each action',
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    const machine = await enterAsClient(server, 'admin');
    for (const by of [
      { ...admin, id: admin.user.id },
      { ...machine, id: machine.client.client_id },
    ]) {
      const { user, tokens } = await signIn(server);
      const expected: Json[] = [];
      for (const verb of ['force-logout', 'ban', 'unban', 'disable', 'enable', 'delete'] as const) {
        const question = { headers: { 'User-Agent': `admin who would ${verb}` } };
        const { headers } = await post(
          server,
          by,
          `/users/${user.id}/${verb}`,
          { reason: `to ${verb}` },
          question,
        );
        expected.push({
          type: verb === 'force-logout' ? 'user_logged_out' : 'user_status_changed',
          user_id: user.id,
          actor: 'admin',
          actor_id: by.id,
          reason: `to ${verb}`,
          ip: '127.0.0.1',
          user_agent: `admin who would ${verb}`,
          request_id: headers['x-request-id'],
        });
      }
      const trail = await trailOf(server, admin, `user_id=${user.id}`);
      const acts = trail.filter((event) => String(event.type).startsWith('user_'));
      t.deepEqual(
        acts.map(
          ({ id: _, created_at: __, detail: ___, session_id: ____, client_id: _____, ...rest }) => rest,
        ),
        expected,
      );
      t.like(
        trail.find((event) => event.type === 'session_ended'),
        {
          session_id: tokens.session_id,
          actor: 'admin',
          actor_id: by.id,
          reason: 'ended_by_admin',
          request_id: expected[0]?.request_id,
        },
      );
    }
  },
);
