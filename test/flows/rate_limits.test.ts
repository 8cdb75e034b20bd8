// Rate limits over HTTP: they stop guesses and not the owner; in memory on SQLite, in the database on Postgres.
import type { ExecutionContext } from 'ava';
import { findSession } from '../../src/core/sessions/find_session.ts';
import { mintRefreshToken } from '../../src/core/sessions/refresh_token.ts';
import { isPostgres } from '../../src/core/store/db.ts';
import { createKeyring } from '../../src/lib/crypto.ts';
import { makeClient, makeUser, otherSecret } from '../helpers/builders.ts';
import { type Answer, assertRefused } from '../helpers/client.ts';
import { introspect, isActive, login, refresh, signIn, tokensOf } from '../helpers/oauth.ts';
import { type Settings, startTestServer, type TestServer, testOnOwnServers } from '../helpers/server.ts';
import { type StoreName, testOnStores } from '../helpers/stores.ts';

const wrong = { status: 400, error: 'invalid_grant' };
const spa = { rotation_profile: 'spa' } as const;

const counted =
  (more: Settings = {}) =>
  (store: StoreName): Settings => ({
    RATE_LIMITS: store === 'sqlite' ? 'memory' : 'database',
    // An hour: longer than the test takes on any machine.
    RATE_LIMIT_PASSWORD: '5/3600',
    RATE_LIMIT_REFRESH: '10/3600',
    ...more,
  });

function assertLimited(t: ExecutionContext, answer: Answer): void {
  assertRefused(t, answer, { status: 429, error: 'rate_limited', reason: 'rate_limited' });
  const wait = Number(answer.headers['retry-after']);
  t.true(Number.isInteger(wait) && wait >= 1 && wait <= 3_600, String(answer.headers['retry-after']));
}

testOnOwnServers(
  'the sixth wrong password is refused without being verified',
  counted(),
  async (t, server) => {
    const client = await makeClient(server.db);
    const user = await makeUser(server.db, { email: 'guessed@rates.example' });
    for (const username of [user.username, 'nobody']) {
      for (let i = 0; i < 5; i += 1) {
        assertRefused(t, await login(server, { username }, client, { password: `guess ${i}` }), wrong);
      }
      assertLimited(t, await login(server, { username }, client, { password: 'guess 6' }));
    }
    assertLimited(t, await login(server, user, client));
    assertLimited(t, await login(server, { username: user.username.toUpperCase() }, client));
    tokensOf(await login(server, { username: user.email ?? '' }, client));
    tokensOf(await login(server, await makeUser(server.db), client));
  },
);

testOnOwnServers('of 20 simultaneous guesses five are verified', counted(), async (t, server) => {
  const client = await makeClient(server.db);
  const user = await makeUser(server.db);
  const guesses = Array.from({ length: 20 }, (_, i) =>
    login(server, user, client, { password: `guess ${i}` }),
  );
  const statuses = (await Promise.all(guesses)).map((answer) => answer.status);
  t.is(statuses.filter((status) => status === 400).length, 5);
  t.is(statuses.filter((status) => status === 429).length, 15);
});

testOnOwnServers('right passwords are never rate-limited', counted(), async (t, server) => {
  const client = await makeClient(server.db);
  const user = await makeUser(server.db);
  for (let i = 0; i < 12; i += 1) tokensOf(await login(server, user, client));
  for (let i = 0; i < 4; i += 1)
    assertRefused(t, await login(server, user, client, { password: 'x' }), wrong);
  tokensOf(await login(server, user, client));
});

testOnOwnServers('a stranger’s guesses do not lock out the owner’s device', counted(), async (t, server) => {
  const form = { device_id: 'phone' };
  const { user, client, tokens } = await signIn(server, { form });
  for (let i = 0; i < 8; i += 1)
    await login(server, user, client, { password: 'x', device_id: `stranger-${i}` });
  assertLimited(t, await login(server, user, client));
  assertLimited(t, await login(server, user, client, form));
  const { device_secret = '' } = tokens;
  tokensOf(await login(server, user, client, { ...form, device_secret }));
});

testOnOwnServers(
  'the eleventh rotation in a row is refused and does not end the session',
  counted(),
  async (t, server) => {
    const { client, tokens } = await signIn(server, { client: await makeClient(server.db, spa) });
    const family = [tokens.refresh_token];
    const last = () => family.at(-1) ?? '';
    while (family.length < 11) family.push(tokensOf(await refresh(server, client, last())).refresh_token);
    assertLimited(t, await refresh(server, client, last()));
    const retried = tokensOf(await refresh(server, client, family.at(-2) ?? ''));
    t.is(retried.refresh_token, last(), 'a retry does not count');
    t.is((await findSession(server.db, tokens.session_id))?.generation, 10);
    t.is(await isActive(server, retried.access_token), true);
    const other = await signIn(server);
    tokensOf(await refresh(server, other.client, other.tokens.refresh_token));
    // Limits in memory follow the real clock; test/core/limits/lockout_delay.test.ts moves the time.
    if (server.store === 'sqlite') return;
    await server.db('rate_limits').where('expire', '>', 0).update({ expire: Date.now() });
    tokensOf(await refresh(server, client, last()));
  },
);

testOnOwnServers(
  'forged tokens, wrong clients and wrong scopes do not count against a session',
  counted(),
  async (t, server) => {
    const { client, tokens } = await signIn(server);
    const session = await findSession(server.db, tokens.session_id);
    const forged = mintRefreshToken(
      createKeyring([otherSecret]),
      session ?? { id: '', salt: Buffer.of() },
      0,
    );
    const stranger = await makeClient(server.db);
    for (let i = 0; i < 15; i += 1) {
      assertRefused(t, await refresh(server, client, forged), wrong);
      assertRefused(t, await refresh(server, stranger, tokens.refresh_token), wrong);
      const narrow = await refresh(server, client, tokens.refresh_token, { scope: 'nonsense' });
      assertRefused(t, narrow, { status: 400, error: 'invalid_scope' });
    }
    tokensOf(await refresh(server, client, tokens.refresh_token));
  },
);

/** Makes every UPDATE of sessions fail, which is no client's fault. */
async function breakSessions({ db }: TestServer): Promise<() => Promise<void>> {
  const broken = 'create trigger broken before update on sessions';
  if (!isPostgres(db)) await db.raw(`${broken} begin select raise(abort, 'broken'); end`);
  else {
    const raise = `language plpgsql as $$ begin raise exception 'broken'; end $$`;
    await db.raw(`create function break() returns trigger ${raise}`);
    await db.raw(`${broken} execute function break()`);
  }
  return async () => {
    await db.raw(`drop trigger broken ${isPostgres(db) ? 'on sessions' : ''}`);
  };
}

testOnOwnServers(
  'a refresh that fails through an error of the server is not counted',
  counted({ RATE_LIMIT_REFRESH: '2/3600' }),
  async (t, server) => {
    const plain = await signIn(server);
    const openid = await signIn(server, { form: { scope: 'openid account' } });
    const mend = await breakSessions(server);
    for (const { client, tokens } of [plain, openid]) {
      for (let i = 0; i < 4; i += 1) t.is((await refresh(server, client, tokens.refresh_token)).status, 500);
    }
    await mend();
    for (const { client, tokens } of [plain, openid]) {
      const next = tokensOf(await refresh(server, client, tokens.refresh_token));
      const last = tokensOf(await refresh(server, client, next.refresh_token));
      t.is((await refresh(server, client, last.refresh_token)).status, 429, 'a success counts');
    }
  },
);

testOnOwnServers('introspection is not limited', counted(), async (t, server) => {
  const { tokens } = await signIn(server);
  const all = Array.from({ length: 60 }, () => introspect(server, tokens.access_token));
  t.true((await Promise.all(all)).every((said) => said.active === true));
});

testOnStores('limits counted in the database hold for all nodes together', async (t, store) => {
  // With SQLite each process counts in memory for itself.
  const isShared = store.name === 'postgres';
  const settings = { ...counted()(store.name), ISSUER: 'https://id.example.test' };
  const a = await startTestServer(t, store, settings);
  const b = await startTestServer(t, store, settings);
  const client = await makeClient(store.db);
  const user = await makeUser(store.db);
  const guesses = Array.from({ length: 20 }, (_, i) => login(i % 2 ? a : b, user, client, { password: 'x' }));
  const statuses = (await Promise.all(guesses)).map((answer) => answer.status);
  t.is(statuses.filter((status) => status === 400).length, isShared ? 5 : 10);
});
