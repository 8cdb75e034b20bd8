// A refused refresh does not use up its token: the same token still works afterwards, even without a retry window.
import type { ExecutionContext } from 'ava';
import { createResourceServer } from '../../../src/core/clients/resource_servers.ts';
import { findSession } from '../../../src/core/sessions/find_session.ts';
import { makeClient } from '../../helpers/builders.ts';
import { type Answer, assertRefused, type Form, type Refusal } from '../../helpers/client.ts';
import { makeKey, proofFor } from '../../helpers/dpop.ts';
import {
  isNearly,
  readJwt,
  refresh,
  revoke,
  type SignedIn,
  signIn,
  token,
  tokensOf,
} from '../../helpers/oauth.ts';
import { makeConfidentialClient } from '../../helpers/resources.ts';
import { type TestServer, testOnServers } from '../../helpers/server.ts';

const orders = 'https://orders.example.test/';
const stock = 'https://stock.example.test/';

async function ensureResourceServer(server: TestServer, identifier: string, scope: string): Promise<void> {
  await createResourceServer(server.db, { identifier, scope }).catch((error) => {
    if (error.code !== 'resource_server_exists') throw error;
  });
}

interface Case {
  title: string;
  form?: Form;
  headers?: (server: TestServer, signedIn: SignedIn) => Promise<Record<string, string>>;
  expected: Refusal;
}

const refused = (error: string, status = 400): Refusal => ({ status, error });

const cases: Case[] = [
  { title: 'a widened scope', form: { scope: 'openid account email' }, expected: refused('invalid_scope') },
  {
    title: 'an undefined scope alone',
    form: { scope: 'all:things' },
    expected: refused('invalid_scope'),
  },
  { title: 'a malformed scope', form: { scope: 'account "openid"' }, expected: refused('invalid_scope') },
  { title: 'the scope admin', form: { scope: 'account admin' }, expected: refused('invalid_scope') },
  {
    title: 'an unknown resource',
    form: { resource: 'https://nobody.test/' },
    expected: refused('invalid_target'),
  },
  { title: 'a resource that is no URI', form: { resource: 'nothing' }, expected: refused('invalid_target') },
  { title: 'a resource not granted', form: { resource: stock }, expected: refused('invalid_target') },
  {
    title: 'a resource not granted beside one that is',
    form: { resource: [orders, stock] },
    expected: refused('invalid_target'),
  },
  {
    title: 'a repeated parameter',
    form: { scope: ['account', 'openid'] },
    expected: refused('invalid_request'),
  },
  {
    title: 'a secret from a public client',
    form: { client_secret: 'x' },
    expected: refused('invalid_client', 401),
  },
  { title: 'an unknown client', form: { client_id: 'nobody' }, expected: refused('invalid_client', 401) },
  { title: 'no client', form: { client_id: undefined }, expected: refused('invalid_request') },
  {
    title: 'another grant type',
    form: { grant_type: 'authorization_code' },
    expected: refused('unauthorized_client'),
  },
  {
    title: 'an unknown grant type',
    form: { grant_type: 'magic' },
    expected: refused('unsupported_grant_type'),
  },
  {
    title: 'a malformed proof',
    headers: async () => ({ DPoP: 'not.a.proof' }),
    expected: refused('invalid_dpop_proof'),
  },
  {
    title: 'a proof for another URL',
    headers: async () => ({ DPoP: await proofFor(await makeKey(), 'POST', 'https://elsewhere.test/token') }),
    expected: refused('invalid_dpop_proof'),
  },
  {
    title: 'an origin that the client has not registered',
    headers: async () => ({ Origin: 'https://evil.example' }),
    expected: refused('invalid_request'),
  },
];

async function openSession(server: TestServer): Promise<SignedIn> {
  await ensureResourceServer(server, orders, 'orders:read orders:write');
  await ensureResourceServer(server, stock, 'stock:read');
  return await signIn(server, {
    form: { scope: 'openid account orders:read', resource: [`${server.issuer}/api`, orders] },
  });
}

for (const { title, form, headers, expected } of cases) {
  testOnServers(`a refresh with ${title} is refused and does not use up the token`, async (t, server) => {
    const signedIn = await openSession(server);
    const { client, tokens } = signedIn;
    const given = headers ? { headers: await headers(server, signedIn) } : {};
    assertRefused(t, await refresh(server, client, tokens.refresh_token, form, given), expected);
    await assertUnchanged(t, server, signedIn);
  });
}

async function assertUnchanged(t: ExecutionContext, server: TestServer, signedIn: SignedIn): Promise<void> {
  const { tokens, client } = signedIn;
  const session = await findSession(server.db, tokens.session_id);
  t.deepEqual(
    { generation: session?.generation, ended_at: session?.ended_at, token_version: session?.token_version },
    { generation: 0, ended_at: null, token_version: 0 },
  );
  const next = tokensOf(await refresh(server, client, tokens.refresh_token));
  t.is(next.session_id, tokens.session_id);
}

testOnServers(
  "a refresh with another client's token is refused, reveals nothing and changes nothing",
  async (t, server) => {
    const signedIn = await openSession(server);
    const thief = await makeClient(server.db);
    assertRefused(t, await refresh(server, thief, signedIn.tokens.refresh_token), refused('invalid_grant'));
    await assertUnchanged(t, server, signedIn);
    const old = signedIn.tokens.refresh_token;
    assertRefused(
      t,
      await refresh(server, thief, old),
      refused('invalid_grant'),
      'an old token is refused alike',
    );
    t.is((await findSession(server.db, signedIn.tokens.session_id))?.ended_at, null);
    await revoke(server, old, signedIn.client);
    const late = await refresh(server, thief, old);
    assertRefused(t, late, refused('invalid_grant'), 'the answer does not say that the session has ended');
  },
);

testOnServers(
  'a refresh without the client secret is refused and does not use up the token',
  async (t, server) => {
    const client = await makeConfidentialClient(server);
    const { tokens } = await signIn(server, { client });
    const { refresh_token } = tokens;
    for (const wrong of [undefined, '', client.client_secret.slice(1)]) {
      const answer = await refresh(server, client, refresh_token, { client_secret: wrong });
      assertRefused(t, answer, refused('invalid_client', 401));
    }
    tokensOf(await refresh(server, client, refresh_token));
  },
);

testOnServers(
  'a refresh may narrow the scope, and the next one has the full scope again',
  async (t, server) => {
    const { client, tokens } = await signIn(server, { form: { scope: 'openid account email' } });
    t.is(tokens.scope, 'openid email account');
    const narrow = tokensOf(await refresh(server, client, tokens.refresh_token, { scope: 'account' }));
    t.is(narrow.scope, 'account');
    t.is(readJwt(narrow.access_token).claims.scope, 'account');
    t.is(narrow.id_token, undefined);
    const full = tokensOf(await refresh(server, client, narrow.refresh_token));
    t.is(full.scope, 'openid email account');
    t.is(readJwt(full.access_token).claims.scope, 'openid email account');
    t.is(typeof full.id_token, 'string');
  },
);

testOnServers('a refresh may choose one of the granted resources', async (t, server) => {
  const { client, tokens } = await openSession(server);
  t.is(readJwt(tokens.access_token).claims.aud, `${server.issuer}/api`);
  const other = tokensOf(await refresh(server, client, tokens.refresh_token, { resource: orders }));
  const { aud, scope } = readJwt(other.access_token).claims;
  t.deepEqual({ aud, scope }, { aud: orders, scope: 'orders:read' });
  const back = tokensOf(await refresh(server, client, other.refresh_token));
  t.is(readJwt(back.access_token).claims.aud, `${server.issuer}/api`);
});

testOnServers('a refresh answers with exactly the members of the contract', async (t, server) => {
  const { client, tokens } = await signIn(server, { form: { scope: 'account' } });
  const answer = await refresh(server, client, tokens.refresh_token);
  const { access_token, refresh_token, refresh_token_expires_in, ...rest } = tokensOf(answer);
  t.deepEqual(rest, {
    token_type: 'Bearer',
    expires_in: 900,
    scope: 'account',
    session_id: tokens.session_id,
  });
  t.regex(refresh_token, /^krt_[\w-]{92}$/);
  t.true(isNearly(refresh_token_expires_in, 604_800));
  t.is(readJwt(access_token).claims.sid, tokens.session_id);
  t.is(answer.headers['cache-control'], 'no-store');
});

testOnServers('a refresh without a token, or with a string that is none, is refused', async (t, server) => {
  const { client_id } = await makeClient(server.db);
  const ask = (refresh_token?: string): Promise<Answer> =>
    token(server, { grant_type: 'refresh_token', client_id, refresh_token });
  assertRefused(t, await ask(), refused('invalid_request'));
  assertRefused(t, await ask(''), refused('invalid_request'));
  for (const value of ['krt_', 'krt_x', `krt_${'A'.repeat(71)}`, 'x'.repeat(9_000), 'a.b.c', '\0', '💥']) {
    assertRefused(t, await ask(value), refused('invalid_grant'), value.slice(0, 20));
  }
});
