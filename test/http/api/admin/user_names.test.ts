// Usernames and addresses through the admin API: at least one of both, who vouches for an address, and one normalisation.
import { findUser } from '../../../../src/core/users/users.ts';
import { enterAsAdmin, post, read, trailOf } from '../../../helpers/admin.ts';
import { makeUser, password } from '../../../helpers/builders.ts';
import { assertRefused, granted } from '../../../helpers/client.ts';
import { api, login } from '../../../helpers/oauth.ts';
import { testOnServers } from '../../../helpers/server.ts';

const malformed = { status: 400, error: 'invalid_request' };

testOnServers(
  'a user with an address alone logs in by it, in either spelling of its domain',
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    const made = await post(server, admin, '/users', { email: ' Ada@Bücher.example\t', password });
    t.like(made.body, { username: null, email: 'Ada@Bücher.example', email_verified: true });
    for (const username of ['ada@xn--bcher-kva.example', '\tADA@bücher.EXAMPLE '])
      t.is((await login(server, { username }, admin.client)).status, 200, username);
    const again = await post(server, admin, '/users', { email: 'ada@XN--bcher-kva.example' });
    assertRefused(t, again, { status: 409, error: 'email_taken' });
    const found = await read(
      server,
      admin,
      `/users?search=${encodeURIComponent('ada@xn--bcher-kva.example')}`,
    );
    t.deepEqual(
      (found.users as { id: string }[]).map(({ id }) => id),
      [made.body.id],
    );
    const [event] = await trailOf(server, admin, `user_id=${made.body.id}&type=user_created`);
    t.deepEqual(event?.detail, { email_verified: true });
  },
);

testOnServers('a new user needs a username or an address, and only a plain one', async (t, server) => {
  const admin = await enterAsAdmin(server);
  for (const wrong of [
    {},
    { password },
    { username: null },
    { email: null },
    { username: 'with@sign.example' },
    { username: 'plain-name', email_verified: true },
    ...['\u200f', '\u00ad', '\ufeff', '\u00a0', '\0', '\u0007', '\n'].flatMap((one) => [
      { username: `plain${one}` },
      { username: `pl${one}ain` },
      { email: `plain@x.example${one}` },
      { email: `pl${one}ain@x.example` },
      { email: `plain@x${one}y.example` },
    ]),
    { email: '"plain"@x.example' },
    { email: 'Plain <plain@x.example>' },
  ])
    assertRefused(t, await post(server, admin, '/users', wrong), malformed, JSON.stringify(wrong));
  const found = await read(server, admin, '/users?search=plain');
  t.deepEqual(found.users, []);
});

testOnServers(
  'an address counts as verified when an administrator vouches for it, with a reason',
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    const made = await post(server, admin, '/users', { email: 'eve@x.example', email_verified: false });
    t.is(made.body.email_verified, false);
    const id = String(made.body.id);
    const change = (json: unknown) => api(server, `PATCH /admin/users/${id}`, admin.token, { json });
    assertRefused(t, await change({ email_verified: true }), malformed);
    t.is((await findUser(server.db, id))?.email_verified_at, null);
    const vouched = await change({ email_verified: true, reason: 'showed a passport' });
    t.like(granted(vouched), { email: 'eve@x.example', email_verified: true });
    const [event] = await trailOf(server, admin, `user_id=${id}&type=user_updated`);
    t.like(event, { reason: 'showed a passport', actor_id: admin.user.id });
    t.deepEqual(event?.detail, { changed: ['email_verified'], email_verified: true });
    t.like(granted(await change({ email: 'EVE@x.example' })), {
      email: 'EVE@x.example',
      email_verified: true,
    });
    t.like(granted(await change({ email: 'new@x.example' })), {
      email: 'new@x.example',
      email_verified: false,
    });
    const both = { email: 'eve@x.example', email_verified: true, reason: 'asked for it' };
    t.like(granted(await change(both)), { email: 'eve@x.example', email_verified: true });
    t.like(granted(await change({ email_verified: false })), { email_verified: false });
  },
);

testOnServers(
  'the last name of a user cannot be removed, nor a name be given that another has',
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    const user = await makeUser(server.db, { username: 'two-names', email: 'two@x.example' });
    await makeUser(server.db, { username: 'other', email: 'other@x.example' });
    const change = (json: unknown) => api(server, `PATCH /admin/users/${user.id}`, admin.token, { json });
    assertRefused(t, await change({ username: null, email: null }), malformed);
    t.like(granted(await change({ username: null })), { username: null, email: 'two@x.example' });
    assertRefused(t, await change({ email: null }), malformed);
    assertRefused(t, await change({ username: 'OTHER' }), { status: 409, error: 'username_taken' });
    assertRefused(t, await change({ email: 'Other@x.example' }), { status: 409, error: 'email_taken' });
    t.like(granted(await change({ username: 'two', email: null })), { username: 'two', email: null });
    assertRefused(t, await change({ email_verified: true, reason: 'none' }), malformed);
  },
);

testOnServers('an administrator writes the profile, app included', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const claims = { name: 'Ada', app: { plan: 'team', seats: 3 } };
  const made = await post(server, admin, '/users', { username: 'profiled', claims });
  t.deepEqual(made.body.claims, claims);
  const change = (json: unknown) => api(server, `PATCH /admin/users/${made.body.id}`, admin.token, { json });
  t.deepEqual(granted(await change({ claims: { name: null, app: { seats: 4 } } })).claims, {
    app: { plan: 'team', seats: 4 },
  });
  const refused = { status: 400, error: 'invalid_claims' };
  assertRefused(t, await change({ claims: { email: 'x@x.example' } }), refused);
  assertRefused(t, await change({ claims: { app: { big: 'x'.repeat(4_096) } } }), refused);
  assertRefused(
    t,
    await post(server, admin, '/users', { username: 'unprofiled', claims: { name: 1 } }),
    refused,
  );
  t.deepEqual(granted(await change({ claims: null })).claims, {});
});
