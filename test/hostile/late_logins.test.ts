// Logins that are completed some time after the password was typed: the proof must still hold then.
import { enterAsAdmin, post } from '../helpers/admin.ts';
import { makeUser, password } from '../helpers/builders.ts';
import { granted } from '../helpers/client.ts';
import { logIn, type Scene, setUpScene, startRequest, typePassword } from '../helpers/code_flow.ts';
import { api, isActive, signIn } from '../helpers/oauth.ts';
import { rowOf } from '../helpers/rows.ts';
import { type TestServer, testOnServers } from '../helpers/server.ts';
import { openUserAgent, type Page, textOf, type UserAgent } from '../helpers/user_agent.ts';

const another = 'another horse, another staple';

/** The owner changes the password from another session. */
async function changePassword(server: TestServer, user: Scene['user']): Promise<void> {
  const { tokens } = await signIn(server, { user });
  const json = { current_password: password, new_password: another };
  granted(await api(server, 'POST /me/password', tokens.access_token, { json }));
}

/** Types the password and does not follow the redirect; returns the answer. */
async function typeAndWait(ua: UserAgent, page: Page, { username }: Scene['user']): Promise<Page> {
  return await ua.post(page, '/login', { username, password });
}

const browsersOf = async (server: TestServer, { id }: Scene['user']) =>
  await server.db('oidc_models').where({ model: 'Session', user_id: id });

testOnServers('an old password typed before it was changed opens nothing afterwards', async (t, server) => {
  const scene = await setUpScene(server, { client: { first_party: true } });
  const { ua, user, client_id } = scene;
  const typed = await typeAndWait(ua, await ua.open((await startRequest(scene)).url.href), user);
  t.is(typed.status, 303);
  await changePassword(server, user);
  const late = await ua.open(typed.location ?? '');
  t.regex(textOf(late), /Sign in/, 'the page asks again');
  t.deepEqual(await browsersOf(server, user), []);
  t.deepEqual(await server.db('sessions').where({ client_id }), []);
  const old = await typePassword(ua, late, user);
  t.is(old.status, 403, 'and the old password is wrong');
});

/** What ends all sessions of a user, and with them a login that is not complete yet. */
const endings: Record<string, (server: TestServer, user: Scene['user']) => Promise<unknown>> = {
  'a logout everywhere': async (server, user) => {
    const { tokens } = await signIn(server, { user });
    granted(await api(server, 'POST /logout', tokens.access_token, { json: { logout_all: true } }));
  },
  'a forced logout': async (server, user) => {
    const admin = await enterAsAdmin(server);
    granted(await post(server, admin, `/users/${user.id}/force-logout`, { reason: 'a test' }));
  },
  'a ban that was lifted again': async (server, user) => {
    const admin = await enterAsAdmin(server);
    granted(await post(server, admin, `/users/${user.id}/ban`, { reason: 'a test' }));
    granted(await post(server, admin, `/users/${user.id}/unban`, { reason: 'a test' }));
  },
  'signing out everywhere else': async (server, user) => {
    const ua = openUserAgent(server.url);
    const page = await ua.open(`${server.url}/account`);
    await ua.submit(page, '/account/login', { username: user.username, password });
    await signIn(server, { user });
    await ua.submit(await ua.open(`${server.url}/account`), '/sessions/end-others');
  },
};

for (const [title, end] of Object.entries(endings)) {
  testOnServers(`a password typed before ${title} opens nothing afterwards`, async (t, server) => {
    const scene = await setUpScene(server, { client: { first_party: true } });
    const { ua, user, client_id } = scene;
    const typed = await typeAndWait(ua, await ua.open((await startRequest(scene)).url.href), user);
    t.is(typed.status, 303);
    await end(server, user);
    const kept = (await browsersOf(server, user)).length;
    const late = await ua.open(typed.location ?? '');
    t.regex(textOf(late), /Sign in/, 'the page asks again');
    t.is((await browsersOf(server, user)).length, kept, 'it signed no browser in');
    t.deepEqual(await server.db('sessions').where({ client_id }), []);
    const again = await typePassword(ua, late, user);
    t.is(again.status, 303, 'a login with the new password succeeds');
  });
}

testOnServers('a login that spans a redirect succeeds when nothing ended it', async (t, server) => {
  const scene = await setUpScene(server, { client: { first_party: true } });
  const { ua, user } = scene;
  const typed = await typeAndWait(ua, await ua.open((await startRequest(scene)).url.href), user);
  const back = await ua.open(typed.location ?? '');
  t.regex(back.location ?? '', /code=/);
  t.is((await browsersOf(server, user)).length, 1);
});

testOnServers(
  'logins at the pages that race a change of the password leave no browser session behind',
  async (t, server) => {
    const user = await makeUser(server.db);
    const { tokens } = await signIn(server, { user });
    const logins = Array.from({ length: 8 }, async () => {
      const ua = openUserAgent(server.url);
      const page = await ua.open(`${server.url}/account`);
      await ua.submit(page, '/account/login', { username: user.username, password });
    });
    const json = { current_password: password, new_password: another };
    granted(await api(server, 'POST /me/password', tokens.access_token, { json }));
    await Promise.all(logins);
    t.deepEqual(await browsersOf(server, user), []);
  },
);

testOnServers(
  '“Not you?” signs the other user out and ends all sessions of that browser',
  async (t, server) => {
    const scene = await setUpScene(server);
    const { ua, user } = scene;
    const mine = await logIn(scene);
    const elsewhere = await signIn(server, { user });
    const other = await setUpScene(server, { ua });
    const consent = await ua.open((await startRequest(other)).url.href);
    t.true(textOf(consent).includes(`Signed in as ${user.username}`));
    t.regex(textOf(await ua.submit(consent, '/switch')), /Sign in/);
    t.deepEqual(await browsersOf(server, user), []);
    t.false(await isActive(server, mine.access_token));
    const row = await rowOf(server.db('sessions').where({ id: mine.session_id }).first());
    t.deepEqual([row.ended_reason, row.ended_by], ['logout', 'user']);
    t.true(await isActive(server, elsewhere.tokens.access_token), 'another device goes on');
  },
);

testOnServers('parallel logins of another user in one browser succeed', async (t, server) => {
  for (let round = 0; round < 6; round += 1) {
    const [first, second] = [await makeUser(server.db), await makeUser(server.db)];
    const ua = openUserAgent(server.url);
    const page = await ua.open(`${server.url}/account`);
    const logInAs = ({ username }: Scene['user']) => ua.post(page, '/account/login', { username, password });
    await logInAs(first);
    const answers = await Promise.all([1, 2, 3, 4].map(() => logInAs(second)));
    t.deepEqual(new Set(answers.map(({ status }) => status)), new Set([303]));
    t.deepEqual(await browsersOf(server, first), []);
  }
});
