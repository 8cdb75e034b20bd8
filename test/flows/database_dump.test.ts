// A stolen database or a stolen server secret: neither alone is enough to use or mint a token.
import type { ExecutionContext } from 'ava';
import { exportJWK } from 'jose';
import { loadConfig } from '../../config/index.ts';
import { openSession } from '../../src/core/sessions/open_session.ts';
import { mintRefreshToken } from '../../src/core/sessions/refresh_token.ts';
import { createKeyring } from '../../src/lib/crypto.ts';
import { startServer } from '../../src/process/run_server.ts';
import { makeClient, makeUser, newSession, otherSecret, password, secret } from '../helpers/builders.ts';
import { assertRefused, send } from '../helpers/client.ts';
import { makeKey, proofFor } from '../helpers/dpop.ts';
import { removeKeys } from '../helpers/keys.ts';
import {
  api,
  introspect,
  login,
  refresh,
  revoke,
  signIn,
  type Tokens,
  token,
  tokensOf,
} from '../helpers/oauth.ts';
import { makeConfidentialClient, makeResourceServer } from '../helpers/resources.ts';
import { rowOf } from '../helpers/rows.ts';
import {
  environment,
  gateway,
  startTestServer,
  type TestServer,
  testOnOwnServers,
} from '../helpers/server.ts';
import { makeStore, type OwnStore } from '../helpers/stores.ts';
import { dumpText } from '../helpers/tables.ts';

const invalidGrant = { status: 400, error: 'invalid_grant' };

/** Does everything that a deployment does, and returns the values that must not be in its database. */
async function liveALife(server: TestServer): Promise<string[]> {
  const jwt = await makeResourceServer(server);
  const opaque = await makeResourceServer(server, 'opaque');
  const confidential = await makeConfidentialClient(server, {
    grant_types: ['password', 'refresh_token', 'client_credentials'],
    scope: 'openid account orders:read',
  });
  const key = await makeKey();
  const proof = async () => ({ headers: { DPoP: await proofFor(key, 'POST', `${server.issuer}/token`) } });
  const user = await makeUser(server.db);

  const all: Tokens[] = [];
  const plain = await signIn(server, { form: { scope: 'openid account', device_id: 'phone' } });
  all.push(plain.tokens);
  for (let i = 0; i < 3; i += 1) {
    all.push(tokensOf(await refresh(server, plain.client, all.at(-1)?.refresh_token ?? '')));
  }
  const bound = await makeClient(server.db);
  const first = tokensOf(await login(server, user, bound, opaque.form, await proof()));
  all.push(first, tokensOf(await refresh(server, bound, first.refresh_token, {}, await proof())));
  for (const { form } of [jwt, opaque]) {
    const { tokens } = await signIn(server, { client: confidential, user, form });
    const own = await token(server, { grant_type: 'client_credentials', ...confidential, ...form });
    all.push(tokens, tokensOf(own));
    await introspect(server, tokens.access_token);
    await revoke(server, tokensOf(own).access_token, confidential);
    await revoke(server, tokens.access_token, confidential);
  }
  await login(server, user, bound, { password: 'a guess that was wrong' });
  await refresh(server, plain.client, plain.tokens.refresh_token);
  await api(server, 'POST /logout', first.access_token);
  return [
    ...all.flatMap(({ access_token, refresh_token, id_token }) => [access_token, refresh_token, id_token]),
    ...[password, 'a guess that was wrong', secret, gateway.client_secret, confidential.client_secret],
    ...[jwt.client.client_secret, opaque.client.client_secret, (await exportJWK(key.privateKey)).d],
  ].filter((value) => value !== undefined);
}

/** The forms in which a value could be found: the text, its bytes, and of a token the part that proves it. */
function formsOf(value: string): string[] {
  const tail = value.slice(-40);
  const bytes = [Buffer.from(value), Buffer.from(value, 'base64url'), Buffer.from(tail, 'base64url')];
  const encoded = bytes.flatMap((one) => [
    one.toString('hex'),
    one.toString('base64'),
    one.toString('base64url'),
  ]);
  return [value, tail, ...encoded].filter((form) => form.length >= 16);
}

testOnOwnServers('a dump contains no token, secret, password or private key', {}, async (t, server) => {
  const secrets = await liveALife(server);
  t.true(secrets.length > 25);
  await untilWritten(server);
  const dump = await dumpText(server.db);
  t.true(dump.includes('session_opened') && dump.includes('$argon2id$'), 'the dump is complete');
  t.true((await server.db('session_rotations')).length > 0, 'rotations included');
  for (const value of secrets) {
    for (const form of formsOf(value)) t.false(dump.includes(form), form.slice(0, 60));
  }
  t.notRegex(dump, /"d\\?":\\?"/, 'no private half of a key');
  t.notRegex(dump, /krt_|BEGIN PRIVATE/);
  // The dump contains digests of the engine's handles, which are no handles.
  for (const row of await server.db('oidc_models').select('id')) {
    t.deepEqual(await introspect(server, row.id), { active: false });
  }
});

/** Rotations are written in batches. */
async function untilWritten(server: TestServer): Promise<void> {
  const { tokens } = await signIn(server);
  await api(server, `GET /sessions/${tokens.session_id}`, tokens.access_token);
}

testOnOwnServers('the database alone does not suffice to mint a token', {}, async (t, server) => {
  const { client, tokens } = await signIn(server);
  const row = await rowOf(server.db('sessions').where({ id: tokens.session_id }).first());
  const real = createKeyring([secret]).current.id;
  const guessed = [otherSecret, Buffer.alloc(32).toString('base64url')].map((one) => createKeyring([one]));
  for (const { current } of guessed) {
    for (const id of [current.id, real]) {
      const key = { ...current, id };
      for (const generation of [0, 1, 2 ** 31 - 2]) {
        const forged = mintRefreshToken({ current: key, all: [key], find: () => key }, row, generation);
        assertRefused(t, await refresh(server, client, forged), invalidGrant);
      }
    }
  }
  const settings = environment(server.databaseUrl, { KINDRED_SECRET: otherSecret });
  await t.throwsAsync(
    startServer(loadConfig(settings)),
    { message: /does not open/ },
    'the keys cannot be opened',
  );
  tokensOf(await refresh(server, client, tokens.refresh_token));
});

testOnOwnServers('the server secret alone does not suffice to mint a token', {}, async (t, server) => {
  const { client, user, tokens } = await signIn(server, { form: { scope: 'openid account' } });
  const empty = await makeStore(server.store);
  t.teardown(empty.drop);
  await removeKeys(empty.db);
  const thief = await rebuild(t, server, empty, { client, user, session_id: tokens.session_id });
  assertRefused(t, await refresh(server, client, thief.refresh_token), invalidGrant);
  for (const path of ['/api/me', '/userinfo']) {
    const answer = await send(server.url + path, { token: thief.access_token });
    assertRefused(t, answer, { status: 401, error: 'invalid_token' });
  }
  t.deepEqual(await introspect(server, thief.access_token), { active: false });
  tokensOf(await refresh(server, client, tokens.refresh_token));
});

interface Known {
  client: { client_id: string };
  user: { id: string; username: string };
  session_id: string;
}

/** A copy of the deployment from its secret and all its names and ids, without its database; and tokens of the copy. */
async function rebuild(
  t: ExecutionContext,
  server: TestServer,
  store: OwnStore,
  known: Known,
): Promise<Tokens> {
  const copy = await startTestServer(t, store, { ISSUER: server.issuer });
  const { client_id } = await makeClient(copy.db, { client_id: known.client.client_id });
  const user = await makeUser(copy.db, { username: known.user.username });
  await copy.db('users').where({ id: user.id }).update({ id: known.user.id });
  const opened = { ...newSession(known.user, { client_id }), id: known.session_id };
  const session = await openSession(copy.db, opened);
  if (!session) throw new Error('the session was not opened');
  const { access_token } = tokensOf(await login(copy, user, { client_id }, { scope: 'openid account' }));
  const refresh_token = mintRefreshToken(createKeyring([secret]), session, 0);
  t.is(
    (await refresh(copy, { client_id }, refresh_token)).status,
    200,
    'the token is valid where it was minted',
  );
  return { access_token, refresh_token } as Tokens;
}
