// The password grant: which clients may use it, how a user is found and refused, and what a login answers.
import { setTimeout as sleep } from 'node:timers/promises';
import { changeUserStatus } from '../../../src/core/actions/user_status.ts';
import { makeClient, makeUser, password } from '../../helpers/builders.ts';
import { type Answer, assertRefused, type Form } from '../../helpers/client.ts';
import { isActive, isNearly, login, readJwt, refresh, signIn, token, tokensOf } from '../../helpers/oauth.ts';
import { makeConfidentialClient, makeResourceServer } from '../../helpers/resources.ts';
import { testOnServers } from '../../helpers/server.ts';

const wrong = { status: 400, error: 'invalid_grant' };
const invalidRequest = { status: 400, error: 'invalid_request' };
const invalidScope = { status: 400, error: 'invalid_scope' };

testOnServers('a login answers with exactly the members of the contract', async (t, server) => {
  const user = await makeUser(server.db);
  const answer = await login(server, user, await makeClient(server.db), { scope: 'account' });
  const { access_token, refresh_token, session_id, refresh_token_expires_in, ...rest } = tokensOf(answer);
  t.deepEqual(rest, { token_type: 'Bearer', expires_in: 900, scope: 'account' });
  t.regex(refresh_token, /^krt_[\w-]{92}$/);
  t.is(readJwt(access_token).claims.sid, session_id);
  t.true(isNearly(refresh_token_expires_in, 604_800));
  t.deepEqual([answer.headers['cache-control'], answer.headers.pragma], ['no-store', 'no-cache']);
});

testOnServers(
  'a user logs in by username or e-mail address, in any spelling of either',
  async (t, server) => {
    const name = `Ünal-${server.store}`;
    const user = await makeUser(server.db, { username: name, email: `Me@${server.store}.example` });
    const client = await makeClient(server.db);
    const spellings = [name, name.toLowerCase(), name.normalize('NFD'), name.toUpperCase()];
    for (const username of [...spellings, user.email ?? '', user.email?.toUpperCase() ?? '']) {
      const { access_token } = tokensOf(await login(server, { username }, client));
      t.is(readJwt(access_token).claims.sub, user.id, username);
    }
  },
);

testOnServers(
  'only first-party clients with the grant type can use the password grant',
  async (t, server) => {
    const user = await makeUser(server.db);
    const unauthorized = { status: 400, error: 'unauthorized_client' };
    const grant_types = ['password', 'refresh_token'];
    const third = await makeClient(server.db, { first_party: false, grant_types });
    assertRefused(t, await login(server, user, third), unauthorized);
    const without = await makeClient(server.db, { grant_types: ['refresh_token'] });
    assertRefused(t, await login(server, user, without), unauthorized);
    const once = await makeClient(server.db, { grant_types: ['password'] });
    const { refresh_token, session_id } = tokensOf(await login(server, user, once));
    t.deepEqual(
      [refresh_token, session_id],
      [undefined, undefined],
      'a client without the refresh grant gets no refresh token',
    );
  },
);

testOnServers('an unknown user and a wrong password get the same answer', async (t, server) => {
  const user = await makeUser(server.db, { email: `known@${server.store}.example` });
  const nameless = await makeUser(server.db, { password_hash: null });
  const deleted = await makeUser(server.db);
  await changeUserStatus(server.db, deleted.id, { status: 'deleted', actor: 'admin' });
  const client = await makeClient(server.db);
  const attempts: Form[] = [
    { username: user.username, password: `${password}x` },
    { username: user.username, password: password.slice(0, -1) },
    { username: user.username, password: password.toUpperCase() },
    { username: user.username, password: 'x'.repeat(10_240) },
    { username: user.email ?? '', password: 'wrong' },
    { username: 'nobody' },
    { username: 'nobody@nowhere.example' },
    { username: nameless.username },
    { username: deleted.username },
    { username: 'x'.repeat(10_240) },
    { username: `${user.username}\0` },
    { username: user.username, password: `${password}\0` },
    { username: "' or 1=1 --" },
    { username: '%' },
  ];
  const answers: string[] = [];
  for (const form of attempts) {
    const answer = await login(server, user, client, form);
    assertRefused(t, answer, wrong, JSON.stringify(form).slice(0, 60));
    answers.push(withoutId(answer));
  }
  t.is(new Set(answers).size, 1, answers.join('\n'));
});

// The whole answer without its request id and date.
function withoutId({ status, headers, text, body }: Answer): string {
  const { 'x-request-id': _, date: __, ...rest } = headers;
  return JSON.stringify({ status, rest, text: text.replace(String(body.request_id), '…') });
}

testOnServers('names that look alike are not the same user', async (t, server) => {
  const user = await makeUser(server.db, { username: `paypal-${server.store}` });
  const client = await makeClient(server.db);
  const alike = [`pаypal-${server.store}`, `paypaI-${server.store}`, `paypal\u200b-${server.store}`];
  for (const username of alike) {
    assertRefused(t, await login(server, { username }, client), wrong, username);
  }
  const wide = user.username.replaceAll('p', 'ｐ');
  const { access_token } = tokensOf(await login(server, { username: wide }, client));
  t.is(readJwt(access_token).claims.sub, user.id, 'a full-width letter equals the ordinary one');
});

for (const status of ['banned', 'disabled'] as const) {
  testOnServers(
    `only a caller with the right password learns that a user is ${status}`,
    async (t, server) => {
      const { user, client, tokens } = await signIn(server);
      await changeUserStatus(server.db, user.id, { status, actor: 'admin', reason: 'a secret of the staff' });
      const reason = `account_${status}`;
      const answer = await login(server, user, client);
      assertRefused(t, answer, { ...wrong, reason });
      t.false(answer.text.includes('staff'));
      assertRefused(t, await login(server, user, client, { password: 'wrong' }), wrong);
      assertRefused(t, await refresh(server, client, tokens.refresh_token), { ...wrong, reason });
      await changeUserStatus(server.db, user.id, { status: 'active', actor: 'admin' });
      tokensOf(await login(server, user, client));
      assertRefused(t, await refresh(server, client, tokens.refresh_token), {
        ...wrong,
        reason: 'session_ended',
      });
    },
  );
}

testOnServers('a user whose ban has expired can log in', async (t, server) => {
  const { user, client } = await signIn(server);
  const ban_expires_at = new Date(Date.now() - 1);
  await changeUserStatus(server.db, user.id, { status: 'banned', ban_expires_at, actor: 'admin' });
  const { access_token } = tokensOf(await login(server, user, client));
  t.is(await isActive(server, access_token), true);
});

testOnServers('the scope admin needs the role and the registration', async (t, server) => {
  const admin = await makeUser(server.db, { roles: ['admin'] });
  const customer = await makeUser(server.db);
  const plain = await makeClient(server.db);
  const console = await makeClient(server.db, { scope: 'openid account admin' });
  const form = { scope: 'account admin' };
  assertRefused(t, await login(server, admin, plain, form), invalidScope);
  assertRefused(t, await login(server, customer, console, form), invalidScope);
  assertRefused(
    t,
    await login(server, customer, console, { ...form, password: 'wrong' }),
    wrong,
    'a wrong password is refused alike with and without the role',
  );
  t.is(tokensOf(await login(server, admin, console, form)).scope, 'account admin');
  t.is(
    tokensOf(await login(server, admin, console)).scope,
    'openid account',
    'admin is granted only when it is requested',
  );
});

testOnServers('a login gets only scopes that exist and that the client may have', async (t, server) => {
  const user = await makeUser(server.db);
  const { form } = await makeResourceServer(server);
  const bound = await makeClient(server.db, { scope: 'openid orders:read' });
  const free = await makeClient(server.db);
  for (const scope of ['all:things', 'account all:things', 'orders:read all:things', '"']) {
    assertRefused(t, await login(server, user, free, { scope }), invalidScope, scope);
  }
  for (const scope of ['account', 'openid email', 'orders:write']) {
    assertRefused(t, await login(server, user, bound, { ...form, scope }), invalidScope, scope);
  }
  t.is(tokensOf(await login(server, user, bound, form)).scope, 'orders:read');
  t.is(tokensOf(await login(server, user, bound, { ...form, scope: undefined })).scope, 'openid orders:read');
});

testOnServers('a resource that is not registered is refused with invalid_target', async (t, server) => {
  const user = await makeUser(server.db);
  const client = await makeClient(server.db);
  const { identifier } = await makeResourceServer(server);
  const unknown = ['https://nobody.test/', 'nothing', `${identifier}#part`, `${identifier}x`, '\0'];
  for (const resource of [...unknown, [identifier, 'https://nobody.test/']]) {
    const answer = await login(server, user, client, { resource, scope: 'orders:read' });
    assertRefused(t, answer, { status: 400, error: 'invalid_target' }, String(resource));
  }
});

testOnServers(
  'a missing, empty or repeated parameter is refused before any password is verified',
  async (t, server) => {
    const user = await makeUser(server.db);
    const client = await makeClient(server.db);
    const bad: Form[] = [
      { username: undefined },
      { username: '' },
      { password: undefined },
      { password: '' },
      { username: [user.username, 'somebody'] },
      { password: [password, password] },
      { grant_type: undefined },
      { grant_type: ['password', 'password'] },
      { scope: ['account', 'openid'] },
      { device_id: ['a', 'b'] },
      { client_id: [client.client_id, client.client_id] },
    ];
    for (const form of bad) {
      assertRefused(t, await login(server, user, client, form), invalidRequest, JSON.stringify(form));
    }
    t.is((await server.db('sessions').where({ user_id: user.id })).length, 0);
  },
);

testOnServers('a client’s own lifetimes override the settings', async (t, server) => {
  const ttl = { access_token_ttl: 60, session_idle_ttl: 1_000, session_absolute_ttl: 500 };
  const { tokens } = await signIn(server, { client: await makeClient(server.db, ttl) });
  const { exp, iat } = readJwt(tokens.access_token).claims;
  t.deepEqual([tokens.expires_in, Number(exp) - Number(iat)], [60, 60]);
  t.true(isNearly(tokens.refresh_token_expires_in, 500), 'the earlier of the idle and the absolute expiry');
});

testOnServers('a confidential client can log its users in only with its secret', async (t, server) => {
  const user = await makeUser(server.db);
  const client = await makeConfidentialClient(server);
  const form = { grant_type: 'password', client_id: client.client_id, username: user.username, password };
  assertRefused(t, await token(server, form), { status: 401, error: 'invalid_client' });
  tokensOf(await login(server, user, client));
});

testOnServers('no session survives a ban during its login', async (t, server) => {
  const client = await makeClient(server.db);
  for (let round = 0; round < 3; round += 1) {
    const user = await makeUser(server.db);
    const logins = Array.from({ length: 8 }, () => login(server, user, client));
    await sleep(20 + 40 * round);
    await changeUserStatus(server.db, user.id, { status: 'banned', actor: 'admin' });
    for (const answer of await Promise.all(logins)) await assertDeadOnArrival(answer);
    t.is((await server.db('sessions').where({ user_id: user.id }).whereNull('ended_at')).length, 0);
  }

  async function assertDeadOnArrival(answer: Answer): Promise<void> {
    const banned = { ...wrong, reason: 'account_banned' };
    if (answer.status !== 200) return assertRefused(t, answer, banned);
    const { access_token, refresh_token } = tokensOf(answer);
    t.is(await isActive(server, access_token), false);
    assertRefused(t, await refresh(server, client, refresh_token), banned);
  }
});
