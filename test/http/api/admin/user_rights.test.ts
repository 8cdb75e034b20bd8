// Rights through the admin API: a change holds at once, and the last administrator remains.
import { json } from '../../../../src/core/store/columns.ts';
import { findUser, type User } from '../../../../src/core/users/users.ts';
import { type Admin, enterAsAdmin, enterAsClient, post, trailOf } from '../../../helpers/admin.ts';
import { makeUser, password } from '../../../helpers/builders.ts';
import { type Answer, assertRefused, granted, type Json } from '../../../helpers/client.ts';
import { api, isActive, readJwt, refresh, signIn, tokensOf } from '../../../helpers/oauth.ts';
import { type TestServer, testOnOwnServers, testOnServers } from '../../../helpers/server.ts';

for (const change of [
  { roles: ['vip'] },
  { permissions: ['orders:write'] },
  { tenant_id: 'other' },
] as const) {
  const [member] = Object.keys(change);
  testOnServers(`a change of ${member} is in force at once, and a refresh heals`, async (t, server) => {
    const admin = await enterAsAdmin(server);
    const { user, client, tokens } = await signIn(server, {
      user: await makeUser(server.db, {
        roles: ['customer'],
        permissions: ['orders:read'],
        tenant_id: 'acme',
      }),
    });
    const question = { json: change };
    const changed = granted(await api(server, `PATCH /admin/users/${user.id}`, admin.token, question));
    t.like(changed, { ...change, token_version: 1 });
    t.is(await isActive(server, tokens.access_token), false);
    t.is((await api(server, 'GET /me', tokens.access_token)).status, 401);
    const next = tokensOf(await refresh(server, client, tokens.refresh_token));
    const { roles, permissions, tid, token_version } = readJwt(next.access_token).claims;
    const expected = { roles: ['customer'], permissions: ['orders:read'], tenant_id: 'acme', ...change };
    t.deepEqual({ roles, permissions, tenant_id: tid, token_version }, { ...expected, token_version: 1 });
    t.is(await isActive(server, next.access_token), true);
    const [event] = await trailOf(server, admin, `user_id=${user.id}&type=user_updated`);
    t.like(event, { actor: 'admin', actor_id: admin.user.id });
    t.like(event?.detail, { changed: [member] });
  });
}

const verbs = ['ban', 'disable', 'delete'] as const;
const lastAdmin = { status: 409, error: 'last_admin' };

/** Takes the role admin from a user, or bans, disables or deletes the user. */
async function remove(
  server: TestServer,
  by: { token: string },
  { id }: Pick<User, 'id'>,
  how: (typeof verbs)[number] | 'demote',
): Promise<Answer> {
  if (how !== 'demote') return await post(server, by, `/users/${id}/${how}`, { reason: 'rivalry' });
  return await api(server, `PATCH /admin/users/${id}`, by.token, { json: { roles: ['customer'] } });
}

testOnServers('administrators cannot ban, disable or delete themselves', async (t, server) => {
  const [admin] = [await enterAsAdmin(server), await enterAsAdmin(server)];
  for (const verb of verbs) {
    assertRefused(
      t,
      await remove(server, admin, admin.user, verb),
      { status: 409, error: 'not_yourself' },
      verb,
    );
  }
  t.like(await findUser(server.db, admin.user.id), { status: 'active', roles: ['admin'] });
  t.is(await isActive(server, admin.token), true);
  const out = await post(server, admin, `/users/${admin.user.id}/force-logout`, { reason: 'lost phone' });
  t.deepEqual(granted(out), { sessions_ended: 1 });
});

testOnOwnServers('the last admin cannot be removed by anyone', {}, async (t, server) => {
  const admin = await enterAsAdmin(server);
  const machine = await enterAsClient(server, 'admin');
  const before = await findUser(server.db, admin.user.id);
  // None of these could take the place of the last administrator.
  for (const verb of verbs) {
    const { id } = await makeUser(server.db, { roles: ['admin'] });
    t.is((await remove(server, admin, { id }, verb)).status, 200);
  }
  for (const how of [...verbs, 'demote'] as const) {
    assertRefused(t, await remove(server, machine, admin.user, how), lastAdmin, how);
  }
  assertRefused(t, await remove(server, admin, admin.user, 'demote'), lastAdmin);
  t.deepEqual(await findUser(server.db, admin.user.id), before);
  const more = { json: { roles: ['vip', 'admin'], permissions: ['all'] } };
  t.is((await api(server, `PATCH /admin/users/${admin.user.id}`, machine.token, more)).status, 200);
  const next = await makeUser(server.db, { roles: ['admin'] });
  t.is((await remove(server, machine, admin.user, 'demote')).status, 200);
  assertRefused(t, await remove(server, machine, next, 'delete'), lastAdmin);
});

/** Each administrator removes the next, and the last one the first, all at the same time. */
async function removeInRing(
  server: TestServer,
  ring: Admin[],
  how: (typeof verbs)[number] | 'demote',
): Promise<Answer[]> {
  return await Promise.all(
    ring.map((admin, i) => remove(server, admin, ring[(i + 1) % ring.length]?.user ?? admin.user, how)),
  );
}

testOnOwnServers('of admins who remove each other at the same time one remains', {}, async (t, server) => {
  const seen: Json = {};
  for (let round = 0; round < 8; round += 1) {
    await server.db('users').update({ roles: json([]) });
    const how = [...verbs, 'demote' as const][round % 4] ?? 'ban';
    const ring = await Promise.all(Array.from({ length: round < 4 ? 2 : 3 }, () => enterAsAdmin(server)));
    const answers = await removeInRing(server, ring, how);
    // An administrator who was removed first may already be refused by the guard (401, 403).
    for (const { status } of answers) seen[status] = Number(seen[status] ?? 0) + 1;
    t.deepEqual(
      answers.filter(({ status }) => ![200, 401, 403, 409].includes(status)),
      [],
    );
    const left = await Promise.all(ring.map(({ user }) => findUser(server.db, user.id)));
    const survivors = left.filter((user) => user?.status === 'active' && user.roles.includes('admin'));
    t.true(survivors.length >= 1, how);
    t.is(survivors.length, ring.length - answers.filter(({ status }) => status === 200).length);
  }
  t.log(seen);
});

/** Deletes the own account. */
async function leave(server: TestServer, { token }: { token: string }): Promise<Answer> {
  return await api(server, 'POST /me/delete', token, { json: { current_password: password } });
}

testOnOwnServers(
  'of two doors that the last admins take at the same time one stays shut',
  {},
  async (t, server) => {
    const machine = await enterAsClient(server, 'admin');
    type Door = (admin: Admin) => Promise<Answer>;
    const out: Door = (admin) => leave(server, admin);
    const by =
      (how: (typeof verbs)[number] | 'demote'): Door =>
      (admin) =>
        remove(server, machine, admin.user, how);
    for (const [one, two] of [
      [out, out],
      [out, by('demote')],
      [by('ban'), out],
      [by('disable'), by('delete')],
    ] as const) {
      await server.db('users').update({ roles: json([]) });
      const [a, b] = [await enterAsAdmin(server), await enterAsAdmin(server)];
      const answers = await Promise.all([one(a), two(b)]);
      const left = await Promise.all([a, b].map(({ user }) => findUser(server.db, user.id)));
      const survivors = left.filter((user) => user?.status === 'active' && user.roles.includes('admin'));
      const said = answers.map(({ status, body }) => `${status} ${body?.error ?? ''}`);
      t.is(survivors.length, 1, said.join());
    }
  },
);
