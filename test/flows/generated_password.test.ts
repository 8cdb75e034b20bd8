// A password that an administrator has generated: good for one login, which asks for a new one. At the token endpoint, at the pages of an
// authorization request, and at the account page.
import * as oidc from 'openid-client';
import { findUser } from '../../src/core/users/users.ts';
import { enterAsAdmin, post } from '../helpers/admin.ts';
import { makeClient, makeUser, type NamedUser, password } from '../helpers/builders.ts';
import { type Answer, assertRefused, type Form, granted } from '../helpers/client.ts';
import { sentTo, setUpScene, startRequest } from '../helpers/code_flow.ts';
import { api, type ClientAuth, isActive, login, token, tokensOf } from '../helpers/oauth.ts';
import { type TestServer, testOnServers } from '../helpers/server.ts';
import { formOf, openUserAgent } from '../helpers/user_agent.ts';

const chosen = 'a phrase that only its owner knows 42';
const badGrant = { status: 400, error: 'invalid_grant' };
const badSession = { status: 400, error: 'invalid_session' };

/** A user with a generated password. */
async function makeGenerated(server: TestServer): Promise<{ user: NamedUser; generated: string }> {
  const admin = await enterAsAdmin(server);
  const user = await makeUser(server.db);
  const set = { generate: true, reason: 'called from the known number' };
  const { sessions_ended, ...rest } = granted(await post(server, admin, `/users/${user.id}/password`, set));
  const generated = String(rest.password);
  if (sessions_ended !== 0 || !/^([a-z2-9]{5}-){3}[a-z2-9]{5}$/.test(generated)) throw new Error(generated);
  return { user, generated };
}

/** What the login with the generated password answers. */
async function begin(
  server: TestServer,
  client: ClientAuth,
  user: NamedUser,
  generated: string,
): Promise<Answer> {
  return await login(server, user, client, { password: generated });
}

const goOn = async (server: TestServer, { client_id }: ClientAuth, form: Form) =>
  await token(server, { grant_type: 'password', client_id, ...form });

testOnServers('the password grant asks for a new password, and goes on with it', async (t, server) => {
  const { user, generated } = await makeGenerated(server);
  const client = await makeClient(server.db);
  t.like(await findUser(server.db, user.id), { password_use: 'replace', token_version: 1 });
  assertRefused(t, await login(server, user, client), badGrant, 'the old password');
  const asked = await begin(server, client, user, generated);
  const { auth_session, request_id, error_description, ...rest } = asked.body;
  const factors = [{ type: 'new_password' }];
  t.deepEqual(
    { status: asked.status, ...rest },
    { status: 400, error: 'insufficient_authorization', expires_in: 600, factors },
  );
  t.is(await server.db('sessions').where({ user_id: user.id }).first(), undefined, 'no session');
  const form = { auth_session: String(auth_session) };
  assertRefused(t, await goOn(server, client, form), { status: 400, error: 'invalid_request' });
  for (const [new_password, reason] of [
    ['short', 'password_too_short'],
    [generated, 'password_not_new'],
  ] as const)
    assertRefused(t, await goOn(server, client, { ...form, new_password }), {
      status: 400,
      error: 'weak_password',
      reason,
    });
  const done = await goOn(server, client, {
    ...form,
    new_password: chosen,
    device_id: 'phone-1',
    scope: 'account',
  });
  const tokens = tokensOf(done);
  t.is(tokens.scope, 'account');
  t.truthy(tokens.device_secret);
  t.like(granted(await api(server, 'GET /me', tokens.access_token)), { id: user.id });
  t.like(await findUser(server.db, user.id), { password_use: null, token_version: 2, code_version: 2 });
  assertRefused(t, await login(server, user, client, { password: generated }), badGrant, 'good once');
  granted(await login(server, user, client, { password: chosen }));
  assertRefused(t, await goOn(server, client, { ...form, new_password: `${chosen}!` }), badSession, 'used');
  t.is(await isActive(server, tokens.access_token), true);
});

testOnServers(
  'an auth_session is good for its client alone, once, and until the password changes',
  async (t, server) => {
    const { user, generated } = await makeGenerated(server);
    const client = await makeClient(server.db);
    const asked = await begin(server, client, user, generated);
    const form = { auth_session: String(asked.body.auth_session), new_password: chosen };
    assertRefused(t, await goOn(server, await makeClient(server.db), form), badSession, 'another client');
    for (const auth_session of ['nonsense', `${form.auth_session.slice(0, -2)}AA`, 'x'.repeat(5_000)])
      assertRefused(t, await goOn(server, client, { ...form, auth_session }), badSession);
    await server.db('users').where({ id: user.id }).update({ status: 'banned' });
    assertRefused(t, await goOn(server, client, form), badSession, 'banned');
    await server.db('users').where({ id: user.id }).update({ status: 'active' });
    const two = await Promise.all([
      goOn(server, client, form),
      goOn(server, client, { ...form, new_password: `${chosen}!` }),
    ]);
    t.deepEqual(two.map(({ status }) => status).toSorted(), [200, 400]);
    const again = await makeGenerated(server);
    const stale = String((await begin(server, client, again.user, again.generated)).body.auth_session);
    const admin = await enterAsAdmin(server);
    granted(
      await post(server, admin, `/users/${again.user.id}/password`, { generate: true, reason: 'again' }),
    );
    assertRefused(
      t,
      await goOn(server, client, { auth_session: stale, new_password: chosen }),
      badSession,
      'set anew',
    );
  },
);

testOnServers('the login page asks for a new password, and the request goes on', async (t, server) => {
  const { user, generated } = await makeGenerated(server);
  const scene = await setUpScene(server, { user, client: { first_party: true } });
  const { ua } = scene;
  const started = await startRequest(scene, { scope: 'openid' });
  const first = await ua.open(started.url.href);
  const page = await ua.submit(first, '/login', { username: user.username, password: generated });
  t.is(page.status, 200);
  t.true(page.text.includes('Set a new password'));
  t.regex(page.text, /Your password was set by an administrator\. Choose your own/);
  t.notRegex(page.text, /signs you out/);
  const weak = await ua.submit(page, '/new-password', { new_password: generated });
  t.is(weak.status, 400);
  t.true(weak.text.includes('other than the one you were given'));
  const forged = await ua.submit(weak, '/new-password', { new_password: chosen, csrf: 'forged' });
  t.is(forged.status, 403);
  t.like(await findUser(server.db, user.id), { password_use: 'replace' });
  const back = sentTo(await ua.submit(weak, '/new-password', { new_password: chosen }));
  const tokens = await oidc.authorizationCodeGrant(scene.config, back, started.checks);
  t.is(tokens.claims()?.sub, user.id);
  const other = openUserAgent(server.url);
  const elsewhere = await other.open((await startRequest(scene, { scope: 'openid' })).url.href);
  const wrong = await other.submit(elsewhere, '/login', { username: user.username, password: generated });
  t.is(wrong.status, 403);
});

testOnServers('the form of one login does nothing in another browser or request', async (t, server) => {
  const { user, generated } = await makeGenerated(server);
  const ua = openUserAgent(server.url);
  const asked = await ua.submit(await ua.open(`${server.url}/account`), '/login', {
    username: user.username,
    password: generated,
  });
  const auth_session = formOf(asked, '/new-password').fields.auth_session ?? '';
  const thief = openUserAgent(server.url);
  const own = await makeGenerated(server);
  const theirs = await thief.submit(await thief.open(`${server.url}/account`), '/login', {
    username: own.user.username,
    password: own.generated,
  });
  const tried = await thief.submit(theirs, '/new-password', { auth_session, new_password: chosen });
  t.is(tried.status, 403);
  t.like(await findUser(server.db, user.id), { password_use: 'replace' });
  const account = await ua.submit(asked, '/new-password', { new_password: chosen });
  t.is(account.status, 200);
  t.true(account.text.includes(user.username));
  t.like(await findUser(server.db, user.id), { password_use: null });
  t.not(generated, password);
});
