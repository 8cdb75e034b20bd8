// `error_description` at /token: a client that has proved to hold the token, the code or the password gets the reason; all other
// clients get one general sentence.
import type { ExecutionContext } from 'ava';
import { after, makeClient, makeUser } from '../../helpers/builders.ts';
import type { Answer, Form } from '../../helpers/client.ts';
import { callback, getCode, publicClient, type Scene, setUpScene } from '../../helpers/code_flow.ts';
import { makeKey, proofFor } from '../../helpers/dpop.ts';
import { api, login, refresh, signIn, token, tokensOf } from '../../helpers/oauth.ts';
import { makeConfidentialClient, makeResourceServer } from '../../helpers/resources.ts';
import { startTestServer, type TestServer, testOnServers } from '../../helpers/server.ts';
import { testOnStores } from '../../helpers/stores.ts';

/** Asserts what an `invalid_grant` says, in the characters that RFC 6749 (5.2) allows. */
function assertSays(
  t: ExecutionContext,
  answer: Answer,
  description: string,
  reason?: string,
  ended_reason?: string,
): void {
  const { request_id: _, ...said } = answer.body;
  t.deepEqual(said, {
    error: 'invalid_grant',
    error_description: description,
    ...(reason ? { reason } : {}),
    ...(ended_reason ? { ended_reason } : {}),
  });
  t.regex(description, /^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/);
}

const wrong = 'Wrong username or password.';
const unknown = 'The refresh token is unknown, or belongs to another client.';

/** A form that the engine answers, not the direct entrance. */
const byEngine: Form = { scope: 'openid account' };

testOnServers('a refused login does not say whether the name or the password is wrong', async (t, server) => {
  const { user, client } = await signIn(server);
  for (const form of [{}, byEngine]) {
    assertSays(t, await login(server, user, client, { ...form, password: 'not the password' }), wrong);
    assertSays(t, await login(server, { username: 'nobody-at-all' }, client, form), wrong);
  }
});

testOnServers(
  'a login with the right password says that the account is banned or disabled',
  async (t, server) => {
    for (const status of ['banned', 'disabled'] as const) {
      const { user, client, tokens } = await signIn(server);
      await server.db('users').where({ id: user.id }).update({ status });
      const sentence = `The account is ${status}.`;
      for (const form of [{}, byEngine]) {
        assertSays(t, await login(server, user, client, form), sentence, `account_${status}`);
        assertSays(t, await login(server, user, client, { ...form, password: 'wrong' }), wrong);
      }
      assertSays(t, await refresh(server, client, tokens.refresh_token), sentence, `account_${status}`);
    }
  },
);

testOnServers('a refused refresh says why its session ended', async (t, server) => {
  const reused = await signIn(server);
  await refresh(server, reused.client, reused.tokens.refresh_token);
  const said = 'The refresh token was used before; the session has ended.';
  assertSays(t, await refresh(server, reused.client, reused.tokens.refresh_token), said, 'token_reused');
  const ended = await signIn(server);
  await api(server, 'POST /logout', ended.tokens.access_token, { json: {} });
  const over = 'The session has ended.';
  assertSays(
    t,
    await refresh(server, ended.client, ended.tokens.refresh_token),
    over,
    'session_ended',
    'logout',
  );
  const idle = await signIn(server);
  await server
    .db('sessions')
    .where({ id: idle.tokens.session_id })
    .update({ last_used_at: after(new Date(), -8 * 86_400) });
  const expired = 'The session has expired.';
  assertSays(t, await refresh(server, idle.client, idle.tokens.refresh_token), expired, 'session_expired');
});

testOnServers('a token of another client and an unknown token get the same answer', async (t, server) => {
  const { client, tokens } = await signIn(server);
  const other = await makeClient(server.db);
  assertSays(t, await refresh(server, other, tokens.refresh_token), unknown);
  assertSays(t, await refresh(server, client, 'krt_nonsense'), unknown);
  assertSays(t, await refresh(server, client, `${tokens.refresh_token.slice(0, -2)}AA`), unknown);
});

testOnServers('the refusal of a key-bound refresh token says which proof is missing', async (t, server) => {
  const [key, other] = [await makeKey(), await makeKey()];
  const proof = async (by = key) => ({
    headers: { DPoP: await proofFor(by, 'POST', `${server.issuer}/token`) },
  });
  const user = await makeUser(server.db);
  const client = await makeClient(server.db);
  const { refresh_token } = tokensOf(await login(server, user, client, {}, await proof()));
  const bound = 'The refresh token is bound to another key than that of the DPoP proof.';
  const absent = 'A DPoP proof is needed here, and the request has none.';
  assertSays(t, await refresh(server, client, refresh_token), absent);
  assertSays(t, await refresh(server, client, refresh_token, {}, await proof(other)), bound);
  const once = await proof();
  const { refresh_token: next } = tokensOf(await refresh(server, client, refresh_token, {}, once));
  const replayed = 'The DPoP proof was used before; make a new one for each request.';
  assertSays(t, await refresh(server, client, next, {}, once), replayed);
});

async function exchange({ server, client_id }: Scene, form: Form): Promise<Answer> {
  return await token(server, {
    grant_type: 'authorization_code',
    client_id,
    redirect_uri: callback,
    ...form,
  });
}

testOnServers(
  'a refused exchange says which parameter does not match the authorization request',
  async (t, server) => {
    const scene = await setUpScene(server, { client: publicClient });
    const { code, code_verifier } = await getCode(scene);
    const mismatch = 'The code_verifier does not match the code_challenge of the authorization request.';
    const missing = 'The code was asked for with PKCE, and code_verifier is missing.';
    assertSays(t, await exchange(scene, { code, code_verifier: 'x'.repeat(43) }), mismatch);
    assertSays(t, await exchange(scene, { code }), missing);
    const uri = 'The redirect_uri is not the one that the authorization request named.';
    assertSays(t, await exchange(scene, { code, code_verifier, redirect_uri: 'https://else.example/' }), uri);
    tokensOf(await exchange(scene, { code, code_verifier }));
    const used = 'The code was used before; the session that it opened has ended.';
    assertSays(t, await exchange(scene, { code, code_verifier }), used);
    const nothing = 'The code is unknown, has expired, was used before, or belongs to another client.';
    assertSays(t, await exchange(scene, { code: 'nonsense', code_verifier }), nothing);
    const another = await setUpScene(server, { client: publicClient });
    assertSays(t, await exchange(another, { code, code_verifier }), nothing);
  },
);

function assertTarget(t: ExecutionContext, answer: Answer, description: string): void {
  const { request_id: _, ...said } = answer.body;
  t.deepEqual(said, { error: 'invalid_target', error_description: description });
}

testOnServers('the refusal names a resource that is not registered or not granted', async (t, server) => {
  const { user, client, tokens } = await signIn(server);
  const resource = 'https://nobody.example.test';
  const unregistered = `No resource server is registered as ${resource}.`;
  assertTarget(t, await login(server, user, client, { resource }), unregistered);
  const refused = await refresh(server, client, tokens.refresh_token, { resource });
  assertTarget(t, refused, `The resource ${resource} was not granted to this session.`);
  const odd = 'https://nobody.example.test/"\\é';
  const said = 'No resource server is registered as https://nobody.example.test/???.';
  assertTarget(t, await login(server, user, client, { resource: odd }), said);
});

testOnStores('in development the refusal also lists the registered resources', async (t, store) => {
  const server: TestServer = await startTestServer(t, store, { NODE_ENV: 'development' });
  const { user, client } = await signIn(server);
  const answer = await login(server, user, client, { resource: `${server.issuer}/api/` });
  const all = `${server.issuer}/api, https://api.example.test/`;
  assertTarget(t, answer, `No resource server is registered as ${server.issuer}/api/. Registered: ${all}.`);
});

testOnServers(
  'the refusal names the scope, and says that a scope of an API needs the parameter resource',
  async (t, server) => {
    const { identifier } = await makeResourceServer(server);
    const client = await makeConfidentialClient(server, {
      grant_types: ['client_credentials'],
      first_party: false,
      scope: 'orders:read',
    });
    const ask = (form: Form) => token(server, { grant_type: 'client_credentials', ...client, ...form });
    const says = async (form: Form) => {
      const { body } = await ask(form);
      t.is(body.error, 'invalid_scope');
      return body.error_description;
    };
    const needs = 'A scope of an API needs that API in the parameter resource.';
    t.is(
      await says({ resource: `${server.issuer}/api`, scope: 'orders:read' }),
      `The scope orders:read is unknown or not allowed here. ${needs}`,
    );
    const admin =
      'It needs a first-party client whose registered scope has it, and a user with the role admin.';
    t.is(await says({ scope: 'admin' }), `The scope admin is unknown or not allowed here. ${admin}`);
    const there = { resource: identifier };
    t.is(
      await says({ ...there, scope: 'orders:write' }),
      `The scope orders:write is unknown or not allowed here. ${needs}`,
    );
    t.is((await ask({ ...there, scope: 'orders:read' })).body.scope, 'orders:read');
    const first = await makeClient(server.db, { scope: 'account admin' });
    const user = await makeUser(server.db);
    const { body } = await login(server, user, first, { scope: 'admin' });
    t.is(body.error_description, 'The scope admin is for users with the role admin.');
  },
);
