// Administrators help users back in: set a password, hand out a link, remove a lockout.
import { findUser } from '../../../../src/core/users/users.ts';
import { enterAsAdmin, enterAsClient, post, trailOf } from '../../../helpers/admin.ts';
import { makeClient, makeUser, password } from '../../../helpers/builders.ts';
import { assertRefused, granted, send } from '../../../helpers/client.ts';
import { testWithMail } from '../../../helpers/mail_server.ts';
import { api, isActive, login, refresh, signIn } from '../../../helpers/oauth.ts';
import { agedBy, enterWith } from '../../../helpers/proofs.ts';
import { type TestServer, testOnOwnServers, testOnServers } from '../../../helpers/server.ts';
import { newAddress } from '../../../helpers/sign_up.ts';
import { dumpText } from '../../../helpers/tables.ts';

const fresh = 'a phrase that support has chosen 4711';
const reason = 'called from the known number';

testOnServers(
  'a password that an administrator sets ends everything that the old one opened',
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    const { user, client, tokens } = await signIn(server);
    await signIn(server, { user, client });
    const set = { password: fresh, reason };
    t.deepEqual(granted(await post(server, admin, `/users/${user.id}/password`, set)), { sessions_ended: 2 });
    t.is(await isActive(server, tokens.access_token), false);
    const refused = await refresh(server, client, tokens.refresh_token);
    assertRefused(t, refused, { status: 400, error: 'invalid_grant', reason: 'session_ended' });
    t.is(refused.body.ended_reason, 'password_set_by_admin');
    assertRefused(t, await login(server, user, client), { status: 400, error: 'invalid_grant' });
    granted(await login(server, user, client, { password: fresh }));
    t.like(await findUser(server.db, user.id), { token_version: 1, code_version: 1, password_use: null });
    const [event] = await trailOf(server, admin, `user_id=${user.id}&type=password_set_by_admin`);
    t.like(event, { actor: 'admin', actor_id: admin.user.id, reason, detail: { generated: false } });
    t.false((await dumpText(server.db)).includes(fresh), 'nowhere in clear');
  },
);

testOnServers(
  'a user without a password gets one; a weak one is refused and changes nothing',
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    const user = await makeUser(server.db, { password_hash: null });
    const client = await makeClient(server.db);
    const path = `/users/${user.id}/password`;
    const weak = await post(server, admin, path, { password: 'short', reason });
    assertRefused(t, weak, { status: 400, error: 'weak_password', reason: 'password_too_short' });
    for (const json of [{ reason }, { reason, password: fresh, generate: true }, { password: fresh }])
      assertRefused(t, await post(server, admin, path, json), { status: 400, error: 'invalid_request' });
    t.like(await findUser(server.db, user.id), { password_hash: null, token_version: 0, code_version: 0 });
    granted(await post(server, admin, path, { password: fresh, reason }));
    granted(await login(server, user, client, { password: fresh }));
  },
);

testOnServers(
  'passwords and links are out of reach without the right, and for oneself',
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    const support = await enterWith(server, { permissions: ['admin:users'] });
    const machine = await enterAsClient(server, 'admin:users');
    const verbs = { password: { generate: true, reason }, 'recovery-link': { reason }, unlock: { reason } };
    const late = await agedBy(server, admin, 310);
    const peer = await makeUser(server.db, { roles: ['admin'] });
    const before = await server.db('users').whereIn('id', [admin.user.id, peer.id]).orderBy('id');
    for (const [verb, json] of Object.entries(verbs)) {
      const lacking = { status: 403, error: 'right_missing' };
      for (const by of [support, machine])
        assertRefused(t, await post(server, by, `/users/${admin.user.id}/${verb}`, json), lacking, verb);
      for (const by of [late, support])
        assertRefused(t, await post(server, by, `/users/${by.user.id}/${verb}`, json), {
          status: 409,
          error: 'not_yourself',
        });
      const old = await post(server, late, `/users/${peer.id}/${verb}`, json);
      assertRefused(t, old, { status: 401, error: 'insufficient_user_authentication' }, verb);
      assertRefused(t, await post(server, support, `/users/${peer.id}/${verb}`, { ...json, reason: '' }), {
        status: 400,
        error: 'invalid_request',
      });
    }
    t.deepEqual(await server.db('users').whereIn('id', [admin.user.id, peer.id]).orderBy('id'), before);
    t.is(await server.db('one_time_codes').whereIn('user_id', [admin.user.id, peer.id]).first(), undefined);
  },
);

/** Sets a new password by the secret part of a link. */
async function complete(server: TestServer, url: unknown, new_password: string) {
  const token = String(url).split('/').at(-1);
  return await send(`${server.url}/api/recovery/complete`, { method: 'POST', json: { token, new_password } });
}

testOnServers('a recovery link sets a new password once, without mail', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const { user, client, tokens } = await signIn(server);
  const made = await post(server, admin, `/users/${user.id}/recovery-link`, { reason });
  t.is(made.status, 201);
  const { url, expires_at, ...rest } = made.body;
  t.deepEqual(rest, {});
  t.true(String(url).startsWith(`${server.issuer}/recover/`));
  t.true(Math.abs(Date.parse(String(expires_at)) - Date.now() - 3_600_000) < 60_000);
  t.is(await isActive(server, tokens.access_token), true, 'the link itself ends nothing');
  const [event] = await trailOf(server, admin, `user_id=${user.id}&type=recovery_link_created`);
  t.like(event, { actor: 'admin', actor_id: admin.user.id, reason });
  t.false(
    (await dumpText(server.db)).includes(String(url).split('/').at(-1) ?? ''),
    'nothing usable is stored',
  );
  const both = await Promise.all([complete(server, url, fresh), complete(server, url, `${fresh} too`)]);
  t.deepEqual(both.map(({ status }) => status).toSorted(), [204, 400]);
  t.is(await isActive(server, tokens.access_token), false);
  assertRefused(t, await login(server, user, client), { status: 400, error: 'invalid_grant' });
});

testWithMail(
  'the user is told by mail of a link and of a password that an administrator made, without either',
  async (t, server, mail) => {
    const admin = await enterAsAdmin(server);
    const user = await makeUser(server.db, { email: newAddress(), email_verified: true });
    const { url } = (await post(server, admin, `/users/${user.id}/recovery-link`, { reason })).body;
    granted(await post(server, admin, `/users/${user.id}/password`, { password: fresh, reason }));
    const mails = await mail.to(String(user.email), 2);
    const service = 'Kindred';
    t.deepEqual(mails.map(({ subject }) => subject.replace(` (${user.username})`, '')).toSorted(), [
      `An administrator made a link to reset your ${service} password`,
      `An administrator set your ${service} password`,
    ]);
    const text = mails.map(({ raw }) => raw).join('');
    t.false(text.includes(String(url).split('/').at(-1) ?? ''));
    t.false(text.includes(fresh));
  },
);

testOnServers(
  'a link dies with a new password, a ban and its end, and is not made for a banned user',
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    const user = await makeUser(server.db);
    const path = `/users/${user.id}`;
    const link = async () => (await post(server, admin, `${path}/recovery-link`, { reason })).body.url;
    const dead = { status: 400, error: 'invalid_code' };
    const first = await link();
    granted(await post(server, admin, `${path}/password`, { password: fresh, reason }));
    assertRefused(t, await complete(server, first, `${fresh} too`), dead);
    const second = await link();
    granted(await post(server, admin, `${path}/ban`, { reason }));
    const refused = await post(server, admin, `${path}/recovery-link`, { reason });
    assertRefused(t, refused, { status: 409, error: 'user_not_active' });
    assertRefused(t, await complete(server, second, `${fresh} too`), dead);
    granted(await post(server, admin, `${path}/unban`, {}));
    assertRefused(t, await complete(server, second, `${fresh} too`), dead);
    granted(await post(server, admin, `${path}/delete`, { reason }));
    for (const verb of ['password', 'recovery-link', 'unlock']) {
      const json = verb === 'password' ? { generate: true, reason } : { reason };
      assertRefused(
        t,
        await post(server, admin, `${path}/${verb}`, json),
        { status: 404, error: 'not_found' },
        verb,
      );
    }
  },
);

testOnOwnServers(
  'unlock lets a locked-out user try again at once, also from the network that failed',
  { RATE_LIMITS: 'memory', RATE_LIMIT_PASSWORD: '3/600', LOCKOUT: '3/600/900' },
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    const user = await makeUser(server.db, { email: `ada@${server.store}.example` });
    const client = await makeClient(server.db);
    const tries = async (username: string) => {
      for (let i = 0; i < 3; i += 1) await login(server, { username }, client, { password: 'wrong wrong' });
      t.is((await login(server, { username }, client, { password })).status, 429);
    };
    await tries(user.username);
    await tries(String(user.email));
    t.is((await post(server, admin, `/users/${user.id}/unlock`, { reason })).status, 204);
    granted(await login(server, user, client));
    granted(await login(server, { username: String(user.email) }, client));
    const [event] = await trailOf(server, admin, `user_id=${user.id}&type=user_unlocked`);
    t.like(event, { actor: 'admin', actor_id: admin.user.id, reason });
    t.is((await api(server, 'GET /admin/users', admin.token)).status, 200);
  },
);
