// What a node of the previous version does to people while a node of this one serves beside it: it knows neither verified addresses nor
// codes, and writes users and passwords as it always did.
import { issueCode } from '../../src/core/one_time_codes/one_time_codes.ts';
import { findLink } from '../../src/core/one_time_codes/spend.ts';
import { findUser, type User } from '../../src/core/users/users.ts';
import { keyring, type NamedUser, password } from '../helpers/builders.ts';
import { api, isActive, login, refresh, tokensOf } from '../helpers/oauth.ts';
import type { TestServer } from '../helpers/server.ts';
import { addUser, enter, post, type Stage, testOnUpgrade } from '../helpers/upgrade.ts';

/** A user of the older node whose address the newer one has verified. */
async function addVerified({ old, new: node }: Stage): Promise<NamedUser & { email: string }> {
  const user = await addUser(old);
  const email = `${user.username}@mail.example`;
  const json = { email, email_verified: true, reason: 'upgrade' };
  await patch(node, user, json);
  return { ...user, email };
}

async function patch(at: TestServer, { id }: { id: string }, json: object): Promise<void> {
  const { status, text } = await api(at, `PATCH /admin/users/${id}`, await enter(at), { json });
  if (status !== 200) throw new Error(`${status}: ${text}`);
}

async function rowIn({ new: { db } }: Stage, { id }: { id: string }): Promise<User> {
  const user = await findUser(db, id);
  if (!user) throw new Error('no such user');
  return user;
}

const changes: Record<string, (stage: Stage, user: NamedUser) => Promise<unknown>> = {
  'a change of the password': async ({ old, app }, user) => {
    const { access_token } = tokensOf(await login(old, user, app));
    const json = { current_password: password, new_password: `${password}, and more of it` };
    return (await api(old, 'POST /me/password', access_token, { json })).status;
  },
  'another address': ({ old }, user) => patch(old, user, { email: `new-${user.username}@mail.example` }),
  'a ban': ({ old }, { id }) => post(old, `/users/${id}/ban`, { reason: 'upgrade' }),
};

for (const [title, change] of Object.entries(changes)) {
  testOnUpgrade(`codes and links are void after ${title} at the older node`, async (t, stage) => {
    const { db } = stage.new;
    const user = await addVerified(stage);
    const row = await rowIn(stage, user);
    const issue = { purpose: 'recover', user: row, address: user.email } as const;
    const { token } = await db.transaction((tx) => issueCode(tx, keyring, issue));
    // A login replaces an outdated hash, and is no change.
    t.is((await login(stage.old, user, stage.app)).status, 200);
    t.is((await findLink(db, 'recover', token)).state, 'alive');
    await change(stage, user);
    t.is((await findLink(db, 'recover', token)).state, 'used');
    t.is((await rowIn(stage, user)).code_version, row.code_version + 1);
  });
}

testOnUpgrade('an address that the older node writes counts as unproved', async (t, stage) => {
  const user = await addVerified(stage);
  t.not((await rowIn(stage, user)).email_verified_at, null);
  await patch(stage.old, user, { email: `other-${user.username}@mail.example` });
  t.is((await rowIn(stage, user)).email_verified_at, null);
  await patch(stage.new, user, { email: user.email, email_verified: true, reason: 'upgrade' });
  t.not((await rowIn(stage, user)).email_verified_at, null, 'this version vouches itself');
});

testOnUpgrade('a user whom the older node deletes leaves no profile', async (t, stage) => {
  const user = await addVerified(stage);
  await patch(stage.new, user, { claims: { name: 'Ada' } });
  await post(stage.old, `/users/${user.id}/delete`, { reason: 'upgrade' });
  const { status, claims, email_verified_at } = await rowIn(stage, user);
  t.deepEqual(
    { status, claims, email_verified_at },
    { status: 'deleted', claims: null, email_verified_at: null },
  );
});

testOnUpgrade(
  'a user without a username logs in and goes on at either version, and is listed by this one',
  async (t, stage) => {
    const user = await addVerified(stage);
    const { db } = stage.new;
    await db('users').where({ id: user.id }).update({ username: null, username_key: null });
    for (const [at, other] of [
      [stage.old, stage.new],
      [stage.new, stage.old],
    ] as const) {
      const tokens = tokensOf(await login(at, { username: user.email }, stage.app));
      t.true(await isActive(other, tokens.access_token), at.url);
      t.is((await refresh(other, stage.app, tokens.refresh_token)).status, 200, at.url);
    }
    const shown = await api(stage.new, `GET /admin/users/${user.id}`, await enter(stage.new));
    t.deepEqual([shown.body.username, shown.body.email], [null, user.email]);
    // The previous version cannot show such a user, in its lists neither.
    await db('users').where({ id: user.id }).update({ username: user.username, username_key: user.username });
  },
);
