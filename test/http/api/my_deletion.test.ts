// A user deletes the own account: after a proof, at once, and for good.
import { makeUser, password } from '../../helpers/builders.ts';
import { assertRefused } from '../../helpers/client.ts';
import { api, isActive, login, refresh, type SignedIn, signIn, tokensOf } from '../../helpers/oauth.ts';
import { rowOf } from '../../helpers/rows.ts';
import { type TestServer, testOnOwnServers, testOnServers } from '../../helpers/server.ts';
import { phone } from '../../helpers/sessions.ts';

const deleted = { status: 400, error: 'invalid_grant', reason: 'account_deleted' };
const wrong = { status: 403, error: 'invalid_credentials' };

function remove(server: TestServer, access_token: string, json: object = { current_password: password }) {
  return api(server, 'POST /me/delete', access_token, { json });
}

async function statusOf({ db }: TestServer, { user }: SignedIn): Promise<string> {
  return (await rowOf(db('users').where({ id: user.id }).first())).status;
}

/** The access token of a new refresh, as if the login had been so many seconds ago. */
async function tokenAfter(
  server: TestServer,
  { client, tokens }: SignedIn,
  seconds: number,
): Promise<string> {
  const { session_id: id } = tokens;
  const { token_payload } = await rowOf(server.db('sessions').where({ id }).first());
  const aged = JSON.stringify({ ...token_payload, authTime: Math.floor(Date.now() / 1000) - seconds });
  await server
    .db('sessions')
    .where({ id })
    .update({ token_payload: server.db.raw('?', [aged]) });
  return tokensOf(await refresh(server, client, tokens.refresh_token)).access_token;
}

testOnServers('a deletion ends everything and erases what is personal', async (t, server) => {
  const { db } = server;
  const user = await makeUser(db, { email: `eve-${server.store}@x.example` });
  const me = await signIn(server, { user, form: phone });
  const other = await signIn(server, me);
  const answer = await remove(server, me.tokens.access_token);
  t.deepEqual([answer.status, answer.text], [204, '']);
  for (const { tokens, client } of [me, other]) {
    t.false(await isActive(server, tokens.access_token));
    assertRefused(t, await refresh(server, client, tokens.refresh_token), deleted);
  }
  const again = await remove(server, me.tokens.access_token);
  assertRefused(t, again, { status: 401, error: 'invalid_token' });
  assertRefused(t, await login(server, user, me.client), { status: 400, error: 'invalid_grant' });
  const row = await rowOf(db('users').where({ id: user.id }).first());
  t.like(row, { status: 'deleted', email: null, password_hash: null, claims: null });
  const sessions = await db('sessions').where({ user_id: user.id });
  t.deepEqual(
    sessions.map((one) => [one.ended_reason, one.ended_by, one.device_id, one.ip]),
    Array(2).fill(['user_deleted', 'user', null, null]),
  );
  t.deepEqual(await db('devices').where({ user_id: user.id }), []);
  const event = await rowOf(
    db('audit_events').where({ user_id: user.id, type: 'user_status_changed' }).first(),
  );
  t.deepEqual([event.actor, event.actor_id, event.detail], ['user', user.id, { status: 'deleted' }]);
  await makeUser(db, { username: user.username, email: `eve-${server.store}@x.example` });
});

testOnServers('without the right password nothing is deleted', async (t, server) => {
  const me = await signIn(server);
  for (const json of [{}, { current_password: '' }])
    assertRefused(t, await remove(server, me.tokens.access_token, json), {
      status: 400,
      error: 'invalid_request',
    });
  for (const current_password of ['wrong', `${password} `])
    assertRefused(t, await remove(server, me.tokens.access_token, { current_password }), wrong);
  assertRefused(
    t,
    await api(server, 'POST /me/delete', undefined, { json: { current_password: password } }),
    {
      status: 401,
      error: 'invalid_token',
    },
  );
  t.is(await statusOf(server, me), 'active');
  t.true(await isActive(server, me.tokens.access_token));
});

testOnServers('a session that has ended deletes nobody, even with the right password', async (t, server) => {
  const me = await signIn(server);
  const other = await signIn(server, me);
  await api(server, 'POST /logout', other.tokens.access_token, {
    json: { session_id: me.tokens.session_id },
  });
  assertRefused(t, await remove(server, me.tokens.access_token), { status: 401, error: 'invalid_token' });
  t.is(await statusOf(server, me), 'active');
});

testOnServers('a user without a password needs a login of the last 15 minutes', async (t, server) => {
  const me = await signIn(server);
  await server.db('users').where({ id: me.user.id }).update({ password_hash: null });
  const old = await remove(server, await tokenAfter(server, me, 901), {});
  assertRefused(t, old, { status: 401, error: 'insufficient_user_authentication' });
  t.regex(String(old.headers['www-authenticate']), /error="insufficient_user_authentication".*max_age="900"/);
  t.is(await statusOf(server, me), 'active');
  const another = await signIn(server);
  await server.db('users').where({ id: another.user.id }).update({ password_hash: null });
  t.is((await remove(server, await tokenAfter(server, another, 60), {})).status, 204);
  t.is(await statusOf(server, another), 'deleted');
});

testOnOwnServers('of two administrators who delete themselves at once, one stays', {}, async (t, server) => {
  const roles = ['admin'];
  const both = [
    await signIn(server, { user: await makeUser(server.db, { roles }) }),
    await signIn(server, { user: await makeUser(server.db, { roles }) }),
  ];
  const answers = await Promise.all(both.map(({ tokens }) => remove(server, tokens.access_token)));
  t.deepEqual(answers.map((one) => one.status).toSorted(), [204, 409]);
  for (const one of answers.filter(({ status }) => status === 409))
    assertRefused(t, one, { status: 409, error: 'last_admin' });
  const left = both[answers.findIndex((one) => one.status === 409)];
  t.true(left !== undefined && (await isActive(server, left.tokens.access_token)));
});

testOnServers(
  'of ten deletions at once one is done, and logins and refreshes beside it leave nothing alive',
  async (t, server) => {
    const me = await signIn(server, { form: phone });
    const { user, client, tokens } = me;
    const work = await Promise.all([
      ...Array.from({ length: 5 }, () => remove(server, tokens.access_token)),
      ...Array.from({ length: 5 }, () => login(server, user, client, phone)),
      refresh(server, client, tokens.refresh_token),
    ]);
    t.is(work.filter((one) => one.status === 204).length, 1);
    t.deepEqual(await server.db('sessions').where({ user_id: user.id }).whereNull('ended_at'), []);
    for (const one of work.filter(({ status }) => status === 200)) {
      t.false(await isActive(server, tokensOf(one).access_token));
      t.is((await refresh(server, client, tokensOf(one).refresh_token)).status, 400);
    }
    t.is((await login(server, user, client)).status, 400);
    t.deepEqual(await server.db('devices').where({ user_id: user.id }), []);
  },
);

const limited = { RATE_LIMITS: 'memory', RATE_LIMIT_PASSWORD_CHANGE: '3/3600' };

testOnOwnServers(
  'wrong passwords count together with those of a change of the password',
  limited,
  async (t, server) => {
    const me = await signIn(server);
    const json = { current_password: 'wrong', new_password: 'hedgehogs prefer quiet evenings' };
    assertRefused(t, await api(server, 'POST /me/password', me.tokens.access_token, { json }), wrong);
    for (let i = 0; i < 2; i += 1)
      assertRefused(t, await remove(server, me.tokens.access_token, { current_password: 'wrong' }), wrong);
    const refused = await remove(server, me.tokens.access_token);
    assertRefused(t, refused, { status: 429, error: 'rate_limited', reason: 'rate_limited' });
    t.is(await statusOf(server, me), 'active');
  },
);
