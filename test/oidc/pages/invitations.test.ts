import { enterAsAdmin } from '../../helpers/admin.ts';
import { makeUser, password } from '../../helpers/builders.ts';
import { acceptLink, inviteTo } from '../../helpers/invitations.ts';
import { api, signIn } from '../../helpers/oauth.ts';
import { rowOf } from '../../helpers/rows.ts';
import { testOnServers } from '../../helpers/server.ts';
import { askForAccount, complete, logInAs, newAddress } from '../../helpers/sign_up.ts';
import { formOf, openUserAgent, textOf } from '../../helpers/user_agent.ts';

testOnServers('opening a link, and sending its form without typing, changes nothing', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const email = newAddress();
  const { url, token } = await inviteTo(server, admin, { email, roles: ['editor'] });
  const ua = openUserAgent(server.url);
  for (const method of ['HEAD', 'GET']) t.is((await ua.send(url, { method })).status, 200);
  const page = await ua.open(url);
  t.is(page.headers.get('referrer-policy'), 'no-referrer');
  t.regex(textOf(page), /role editor/);
  t.is((await ua.submit(page, token, {})).status, 400);
  t.is(await server.db('users').where({ email }).first(), undefined);
  t.regex(textOf(await ua.open(`${server.url}/account`)), /^Sign in/, 'nobody is signed in');
  t.is((await ua.submit(page, token, { password })).status, 200);
  t.regex(textOf(await ua.open(`${server.url}/account`)), /^Sign in/, 'nor after the acceptance');
});

testOnServers('the form of one invitation is refused by another, and neither is spent', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const [mine, victim] = [newAddress(), newAddress()];
  const one = await inviteTo(server, admin, { email: mine });
  const other = await inviteTo(server, admin, { email: victim, roles: ['editor'] });
  const ua = openUserAgent(server.url);
  const { fields } = formOf(await ua.open(one.url), one.token);
  const mixed = await ua.send(other.url, {
    method: 'POST',
    body: new URLSearchParams({ ...fields, password, email: mine, address: mine, id: one.id }),
  });
  t.is(mixed.status, 403);
  for (const { url } of [one, other]) t.is((await ua.open(url)).status, 200);
  t.is((await acceptLink(server, other, { password, email: mine, address: mine })).status, 200);
  t.is(await server.db('users').where({ email: mine }).first(), undefined, 'the address is that of the link');
  t.deepEqual((await rowOf(server.db('users').where({ email: victim }).first())).roles, ['editor']);
});

testOnServers(
  'a user who exists takes up the rights with the password, in any browser',
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    const email = newAddress('Known');
    const user = await makeUser(server.db, { email, email_verified: true, roles: ['reader'] });
    const session = await signIn(server, { user });
    const invited = await inviteTo(server, admin, {
      email: email.toLowerCase(),
      roles: ['editor'],
      tenant_id: 'acme',
    });
    t.true(invited.body.user_exists);
    const rolesNow = async () => (await rowOf(server.db('users').where({ id: user.id }).first())).roles;
    const wrong = await acceptLink(server, invited, { password: 'not the password' });
    t.deepEqual([wrong.status, await rolesNow()], [403, ['reader']]);
    // In the browser of another user, who stays signed in.
    const other = await makeUser(server.db);
    const ua = openUserAgent(server.url);
    const login = await ua.open(`${server.url}/account`);
    await ua.submit(login, '/account/login', { username: other.username, password });
    const page = await ua.open(invited.url);
    t.true(page.text.includes(email.toLowerCase()));
    const done = await ua.submit(page, invited.token, { password });
    t.is(done.status, 200, textOf(done));
    t.deepEqual(await rolesNow(), ['reader', 'editor']);
    t.true((await ua.open(`${server.url}/account`)).text.includes(other.username));
    const { token_version, tenant_id } = await rowOf(server.db('users').where({ id: user.id }).first());
    t.deepEqual([token_version, tenant_id], [user.token_version + 1, 'acme']);
    const old = await api(server, 'GET /me', session.tokens.access_token);
    t.is(old.status, 401, 'access tokens with the old rights are dead');
    const again = await ua.open(invited.url);
    t.is(again.status, 410);
    t.regex(textOf(again), /accepted already, replaced or withdrawn. If you accepted it, sign in./);
  },
);

testOnServers('of two acceptances at once, one counts', async (t, server) => {
  const admin = await enterAsAdmin(server);
  for (const exists of [false, true]) {
    const email = newAddress();
    if (exists) await makeUser(server.db, { email, email_verified: true });
    const invited = await inviteTo(server, admin, { email, roles: ['editor'] });
    const both = await Promise.all([1, 2].map(() => acceptLink(server, invited, { password })));
    t.deepEqual(both.map(({ status }) => status).toSorted(), [200, 410]);
    const { id } = await rowOf(server.db('users').where({ email }).first());
    t.is((await server.db('audit_events').where({ user_id: id, type: 'invitation_accepted' })).length, 1);
  }
});

testOnServers(
  'vouching for the address of an invited user leaves the invitation alive',
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    const email = newAddress();
    const invited = await inviteTo(server, admin, { email, roles: ['editor'] });
    const user = await makeUser(server.db, { email, email_verified: true, password_hash: null });
    const page = await acceptLink(server, invited, { password });
    t.regex(textOf(page), /Your account is ready/);
    t.is((await logInAs(server, email)).status, 200, 'it has set the password');
    const now = await rowOf(server.db('users').where({ id: user.id }).first());
    t.deepEqual([now.roles, now.code_version], [['editor'], user.code_version + 1]);
  },
);

testOnServers(
  'an address that gets a user meanwhile leads to that user, and takes nobody over',
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    const email = newAddress();
    const invited = await inviteTo(server, admin, { email, roles: ['editor'] });
    const ua = openUserAgent(server.url);
    const page = await ua.open(invited.url);
    const asked = await askForAccount(t, server, { email });
    t.is((await complete(server, { sign_up_id: asked.sign_up_id, code: asked.code })).status, 201);
    const late = await ua.submit(page, invited.token, { password: 'a password of my own choice' });
    t.is(late.status, 403, 'it is taken for the password of that user');
    t.regex(textOf(late), /Wrong password\./, 'no name is asked for, so none can be wrong');
    t.is((await logInAs(server, email, 'a password of my own choice')).status, 400);
    t.is((await ua.submit(late, invited.token, { password })).status, 200);
    t.deepEqual((await rowOf(server.db('users').where({ email }).first())).roles, ['editor']);
  },
);

testOnServers('the link proves an address that its user has not proved', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const email = newAddress();
  const holder = await makeUser(server.db, { email, roles: ['old'] });
  const invited = await inviteTo(server, admin, { email, roles: ['editor'] });
  t.false(invited.body.user_exists);
  t.is((await acceptLink(server, invited, { password: 'the long password of the owner' })).status, 200);
  const user = await rowOf(server.db('users').where({ email }).first());
  t.not(user.id, holder.id);
  t.deepEqual(user.roles, ['editor']);
  t.is((await rowOf(server.db('users').where({ id: holder.id }).first())).email, null);
});

testOnServers('a banned user, and one of another tenant, take up nothing', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const [banned, foreign] = [newAddress(), newAddress()];
  const user = await makeUser(server.db, { email: banned, email_verified: true });
  await server.db('users').where({ id: user.id }).update({ status: 'banned' });
  await makeUser(server.db, { email: foreign, email_verified: true, tenant_id: 'acme' });
  const invitations = [
    await inviteTo(server, admin, { email: banned, roles: ['editor'] }),
    await inviteTo(server, admin, { email: foreign, roles: ['editor'], tenant_id: 'other' }),
  ];
  for (const { url } of invitations) t.is((await openUserAgent(server.url).open(url)).status, 410);
});
