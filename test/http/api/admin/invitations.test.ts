import { longestInvitation } from '../../../../src/core/actions/invitations.ts';
import { json } from '../../../../src/core/store/columns.ts';
import { enterAsAdmin, enterAsClient, post, read, readPages } from '../../../helpers/admin.ts';
import { makeUser, password } from '../../../helpers/builders.ts';
import { assertRefused, granted } from '../../../helpers/client.ts';
import { acceptLink, asInvited, inviteTo } from '../../../helpers/invitations.ts';
import { api } from '../../../helpers/oauth.ts';
import { enterWith } from '../../../helpers/proofs.ts';
import { rowOf } from '../../../helpers/rows.ts';
import { testOnOwnServers, testOnServers } from '../../../helpers/server.ts';
import { askForAccount, complete, logInAs, mailsTo, newAddress } from '../../../helpers/sign_up.ts';
import { dumpText } from '../../../helpers/tables.ts';
import { openUserAgent, textOf } from '../../../helpers/user_agent.ts';

// Rounded: on SQLite each of the two times is read from the clock.
function secondsBetween(from: unknown, to: unknown): number {
  return Math.round((Date.parse(String(to)) - Date.parse(String(from))) / 1_000);
}

testOnServers('an invitation makes a user with its rights, and works once', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const email = newAddress('Grace');
  const rights = { roles: ['editor'], permissions: ['posts:write'], tenant_id: 'acme' };
  const invited = await inviteTo(server, admin, { email, ...rights });
  const { url, id, created_at, expires_at, ...rest } = invited.body;
  t.deepEqual(rest, { email, ...rights, invited_by: admin.user.id, user_exists: false });
  t.is(secondsBetween(created_at, expires_at), 7 * 86_400);
  t.true(String(url).startsWith(`${server.issuer}/invitation/`));
  const page = await acceptLink(server, invited, { password, username: `grace-${server.store}` });
  t.is(page.status, 200, textOf(page));
  const user = await rowOf(server.db('users').where({ email }).first());
  t.deepEqual(
    [user.username, user.roles, user.permissions, user.tenant_id],
    [`grace-${server.store}`, rights.roles, rights.permissions, rights.tenant_id],
  );
  t.truthy(user.email_verified_at);
  t.is((await logInAs(server, email)).status, 200);
  const again = await openUserAgent(server.url).open(invited.url);
  t.is(again.status, 410);
  const events = await server.db('audit_events').where({ user_id: user.id }).whereLike('type', '%invit%');
  t.deepEqual(
    events.map(({ type, detail }) => [type, detail]),
    [['invitation_accepted', { invitation_id: id, ...rights }]],
  );
});

testOnServers(
  'a newer invitation of an address replaces the older one, also an expired one',
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    const email = newAddress();
    const first = await inviteTo(server, admin, { email, roles: ['one'] });
    await server
      .db('one_time_codes')
      .where({ id: first.id })
      .update({ expires_at: new Date(0) });
    t.is((await openUserAgent(server.url).open(first.url)).status, 410, 'expired');
    const second = await inviteTo(server, admin, { email: email.toUpperCase(), roles: ['two'] });
    const sent = await post(server, admin, `/invitations/${second.id}/send`);
    t.is(sent.status, 201);
    const third = asInvited(sent.body);
    const { items } = await readPages(server, admin, '/invitations?limit=2', 'invitations');
    const listed = items.filter((one) => String(one.email).toLowerCase() === email);
    t.deepEqual(
      listed.map(({ id, roles }) => [id, roles]),
      [[third.id, ['two']]],
    );
    for (const { url } of [first, second]) t.is((await openUserAgent(server.url).open(url)).status, 410);
    t.is((await openUserAgent(server.url).open(third.url)).status, 200);
    assertRefused(t, await post(server, admin, `/invitations/${second.id}/send`), {
      status: 404,
      error: 'not_found',
    });
  },
);

testOnServers('of two invitations of an address at once, one is open', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const email = newAddress();
  const made = await Promise.all([1, 2, 3, 4].map(() => inviteTo(server, admin, { email })));
  const opened = await Promise.all(made.map(({ url }) => openUserAgent(server.url).open(url)));
  t.deepEqual(opened.map(({ status }) => status).toSorted(), [200, 410, 410, 410]);
});

testOnServers('a withdrawn invitation stays dead when the address is invited again', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const email = newAddress();
  const first = await inviteTo(server, admin, { email });
  t.is((await api(server, `DELETE /admin/invitations/${first.id}`, admin.token)).status, 204);
  assertRefused(t, await api(server, `DELETE /admin/invitations/${first.id}`, admin.token), {
    status: 404,
    error: 'not_found',
  });
  const second = await inviteTo(server, admin, { email });
  t.is((await openUserAgent(server.url).open(first.url)).status, 410);
  t.is((await openUserAgent(server.url).open(second.url)).status, 200);
});

testOnServers('nothing that is read later opens the link', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const { token, id } = await inviteTo(server, admin, { email: newAddress(), roles: ['editor'] });
  const list = JSON.stringify(await read(server, admin, '/invitations'));
  t.true(list.includes(id));
  const trail = JSON.stringify(await read(server, admin, '/events?type=invitation_created&limit=200'));
  t.true(trail.includes(id));
  const dump = await dumpText(server.db);
  for (const text of [list, trail, dump]) t.false(text.includes(token));
});

testOnServers('nobody invites with more than they hold', async (t, server) => {
  const helper = await enterWith(server, { permissions: ['admin:users'], tenant_id: 'acme' });
  const email = newAddress();
  const missing = { status: 403, error: 'right_missing' };
  for (const given of [{ roles: ['admin'] }, { permissions: ['admin:config'] }, { tenant_id: 'other' }])
    assertRefused(t, await post(server, helper, '/invitations', { email, ...given }), missing);
  const own = { roles: ['editor'], permissions: ['admin:users'], tenant_id: 'acme' };
  const { id } = await inviteTo(server, helper, { email, ...own });
  const admin = await enterAsAdmin(server);
  const greater = await inviteTo(server, admin, { email: newAddress(), roles: ['admin'] });
  assertRefused(t, await post(server, helper, `/invitations/${greater.id}/send`), missing);
  t.is((await post(server, admin, `/invitations/${id}/send`)).status, 201);
  const reader = await enterWith(server, { permissions: ['admin:read'] });
  t.is((await api(server, 'GET /admin/invitations', reader.token)).status, 200);
  const refused = await post(server, reader, '/invitations', { email });
  t.is(refused.status, 403);
});

testOnServers('an inviter who lost the right before the acceptance has given nothing', async (t, server) => {
  const inviter = await enterAsAdmin(server);
  const [demoted, lost] = [newAddress(), newAddress()];
  const first = await inviteTo(server, inviter, { email: demoted, roles: ['admin', 'editor'] });
  const second = await inviteTo(server, inviter, { email: lost, roles: ['editor'] });
  await server
    .db('users')
    .where({ id: inviter.user.id })
    .update({ roles: json([]), permissions: json(['admin:users']) });
  t.is((await acceptLink(server, first, { password })).status, 200);
  const user = await rowOf(server.db('users').where({ email: demoted }).first());
  t.deepEqual([user.roles, user.permissions], [[], []], 'the account alone');
  await server.db('users').where({ id: inviter.user.id }).update({ status: 'banned' });
  t.is((await openUserAgent(server.url).open(second.url)).status, 410);
});

testOnServers('a machine client invites, and its invitations die with its right', async (t, server) => {
  const { client, token } = await enterAsClient(server, 'admin:users');
  const email = newAddress();
  const invited = await inviteTo(server, { token }, { email, roles: ['editor'] });
  t.is(invited.body.invited_by, client.client_id);
  t.is((await openUserAgent(server.url).open(invited.url)).status, 200);
  await server.db('clients').where({ client_id: client.client_id }).update({ scope: 'openid' });
  await server.db('registry').increment('version', 1);
  t.is((await openUserAgent(server.url).open(invited.url)).status, 410);
});

testOnServers('an open invitation gives nothing to a user who comes another way', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const [signedUp, created] = [newAddress(), newAddress()];
  for (const email of [signedUp, created]) await inviteTo(server, admin, { email, roles: ['admin'] });
  const asked = await askForAccount(t, server, { email: signedUp });
  t.is((await complete(server, { sign_up_id: asked.sign_up_id, code: asked.code })).status, 201);
  t.is(
    (await post(server, admin, '/users', { username: `made-${server.store}`, email: created, password }))
      .status,
    201,
  );
  for (const email of [signedUp, created]) {
    t.is((await logInAs(server, email)).status, 200);
    t.deepEqual((await rowOf(server.db('users').where({ email }).first())).roles, []);
  }
});

testOnServers('the lifetime of an invitation has bounds', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const email = newAddress();
  for (const expires_in of [0, 59, longestInvitation + 1, 1.5])
    assertRefused(t, await post(server, admin, '/invitations', { email, expires_in }), {
      status: 400,
      error: 'invalid_request',
    });
  const { body } = await inviteTo(server, admin, { email, expires_in: 60 });
  t.is(secondsBetween(body.created_at, body.expires_at), 60);
});

testOnServers('an address whose change can be undone is not invited', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const user = await makeUser(server.db);
  const email = newAddress();
  const expires_at = new Date(Date.now() + 60_000);
  const id = crypto.randomUUID();
  const code = {
    id,
    purpose: 'undo_email',
    user_id: user.id,
    address: email,
    address_key: email,
    tries: 0,
  } as const;
  await server.db('one_time_codes').insert({ ...code, expires_at, created_at: new Date() });
  assertRefused(t, await post(server, admin, '/invitations', { email }), {
    status: 409,
    error: 'email_taken',
  });
});

testOnOwnServers(
  'too many invitations of one mailbox are refused, and leave it able to recover',
  { RATE_LIMITS: 'memory', RATE_LIMIT_MAIL: '2/3600' },
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    const email = newAddress();
    for (let round = 0; round < 2; round += 1) await inviteTo(server, admin, { email });
    const refused = await post(server, admin, '/invitations', { email });
    assertRefused(t, refused, { status: 429, error: 'rate_limited', reason: 'rate_limited' });
    await askForAccount(t, server, { email });
    t.is((await mailsTo(server, email)).filter(({ kind }) => kind === 'sign_up').length, 1);
  },
);

testOnOwnServers('with SIGN_UP=off nobody is invited', { SIGN_UP: 'off' }, async (t, server) => {
  const admin = await enterAsAdmin(server);
  assertRefused(t, await post(server, admin, '/invitations', { email: newAddress() }), {
    status: 404,
    error: 'not_found',
  });
  t.deepEqual(granted(await api(server, 'GET /admin/invitations', admin.token)).invitations, []);
});
