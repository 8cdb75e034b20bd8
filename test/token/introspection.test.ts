// Compares introspections at the fast entrance with the same ones in the engine: the answers must not differ.
import assert from 'node:assert/strict';
import { decodeJwt } from 'jose';
import { revokeAccessToken } from '../../src/core/access_tokens/revoked_tokens.ts';
import { changeUserStatus } from '../../src/core/actions/user_status.ts';
import { mintRefreshToken } from '../../src/core/sessions/refresh_token.ts';
import { after, keyring, source } from '../helpers/builders.ts';
import { type Answer, granted, type RequestOptions, send } from '../helpers/client.ts';
import { fc, fuzzing } from '../helpers/fuzzing.ts';
import {
  type IntrospectionCase,
  introspectionCase,
  oddIntrospections,
} from '../helpers/introspection_cases.ts';
import { makeToken } from '../helpers/odd_tokens.ts';
import { testOnStores } from '../helpers/stores.ts';
import { comparableAnswer } from '../helpers/twin_answers.ts';
import { createTwinClients, opaque, proofOf } from '../helpers/twin_clients.ts';
import { type App, makeTwins, openPair, type Pair, type Twin } from '../helpers/twins.ts';

type Token = string | string[] | undefined;

/** A session and a token of it. Both apps get the same token, since introspection changes nothing. */
async function tokenOf(pair: Pair, given: IntrospectionCase): Promise<{ twin: Twin; token: Token }> {
  const { deps } = pair;
  const resource = given.kind === 'opaque' ? opaque : given.aud;
  const scope = 'account orders:read quick:read opaque:read';
  const [twin] = await makeTwins(
    deps,
    {
      user: {},
      session: {
        client_id: given.client,
        device_id: null,
        grant_payload: { openid: { scope }, resources: { [resource]: scope } },
        token_payload: { gty: 'password', scope, resource, authTime: 1_700_000_000, sid: true },
        idle_ttl: 604_800,
        absolute_ttl: 2_592_000,
        source,
      },
    },
    new Date(),
  );
  if (given.kind === 'fast') return { twin, token: await refreshed(pair.fast, given, twin) };
  if (given.kind === 'engine' || given.kind === 'opaque') {
    return { twin, token: await refreshed(pair.engine, given, twin) };
  }
  if (given.kind === 'client') return { twin, token: await clientToken(pair.engine) };
  const signed = await makeToken(deps, given.kind, twin, given.aud);
  return { twin, token: signed };
}

// Null for a client that may not refresh: it has no refresh token, and the test introspects another value.
async function refreshed(app: App, { client }: IntrospectionCase, { session }: Twin): Promise<string> {
  const { form, headers } = await proofOf(client, 'registered');
  const refresh_token = mintRefreshToken(keyring, session, 0);
  const answer = await send(`${app.url}/token`, {
    form: { grant_type: 'refresh_token', refresh_token, ...form },
    headers,
  });
  return String(answer.body.access_token ?? 'none');
}

async function clientToken(app: App): Promise<string> {
  const { form, headers } = await proofOf('gateway', 'registered');
  const answer = await send(`${app.url}/token`, {
    form: { grant_type: 'client_credentials', ...form },
    headers,
  });
  return String(granted(answer).access_token);
}

async function befall(
  { db }: Pair['deps'],
  { fate }: IntrospectionCase,
  { user, session }: Twin,
  token: Token,
): Promise<unknown> {
  const ofUser = (row: object) => db('users').where({ id: user.id }).update(row);
  const ofSession = (row: object) => db('sessions').where({ id: session.id }).update(row);
  const now = new Date();
  switch (fate) {
    case 'live':
      return null;
    case 'ended':
      return await ofSession({ ended_at: now, ended_reason: 'logout', ended_by: 'user' });
    case 'idle too long':
      return await ofSession({ last_used_at: after(now, -604_801) });
    case 'too old':
      return await ofSession({ absolute_expires_at: after(now, -1) });
    case 'banned':
      return await changeUserStatus(db, user.id, { status: 'banned', actor: 'system' });
    case 'banned until now':
      return await ofUser({ status: 'banned', ban_expires_at: after(now, -1) });
    case 'disabled':
      return await ofUser({ status: 'disabled' });
    case 'deleted':
      return await ofUser({ status: 'deleted' });
    case 'revoked':
      if (typeof token === 'string' && token.startsWith('eyJ')) {
        const { jti = '', exp = 0 } = decodeJwt(token);
        if (jti) await revokeAccessToken(db, { jti, exp });
      }
      return null;
    case 'newer version':
      return await ofUser({ token_version: 1 });
    case 'other client':
      return await ofSession({ client_id: 'bound' });
  }
}

async function questionOf(given: IntrospectionCase, token: Token): Promise<RequestOptions> {
  const proof = await proofOf(given.caller, given.way);
  return {
    method: given.method,
    path: given.path,
    form: { ...proof.form, token, ...given.form },
    // Node would send a GET with a chunked body without marking its end.
    chunked: given.chunked && given.method !== 'GET',
    headers: {
      ...proof.headers,
      ...(given.type === null ? {} : { 'Content-Type': given.type }),
      ...given.headers,
    },
  };
}

interface Tally {
  requests: number;
  active: number;
  fast: number;
}

async function compare(pair: Pair, given: IntrospectionCase, tally: Tally): Promise<void> {
  const { deps, fast, engine } = pair;
  const { twin, token } = await tokenOf(pair, given);
  const ask = async (app: App): Promise<Answer> => await send(app.url, await questionOf(given, token));
  // A first request fills the cache, from which an outdated answer could come.
  if (given.times > 1) await ask(fast);
  await befall(deps, given, twin, token);
  const read = () => deps.db('sessions').where({ id: twin.session.id }).first();
  const before = await read();
  const reached = fast.reached();
  const answer = await ask(fast);
  tally.fast += fast.reached() === reached ? 1 : 0;
  assert.deepEqual(
    await comparableAnswer(deps, answer, null),
    await comparableAnswer(deps, await ask(engine), null),
  );
  assert.deepEqual(await read(), before, 'the introspection changed the session');
  tally.requests += 1;
  tally.active += answer.body.active === true ? 1 : 0;
}

testOnStores('the fast entrance and the engine answer an introspection alike', async (t, store) => {
  const pair = await openPair(t, store);
  await createTwinClients(pair.deps.db);
  const tally: Tally = { requests: 0, active: 0, fast: 0 };
  await fc.assert(
    fc.asyncProperty(introspectionCase, (given) => compare(pair, given, tally)),
    fuzzing(t, 500, oddIntrospections),
  );
  t.log(store.name, tally);
  t.true(tally.fast > 0.15 * tally.requests, JSON.stringify(tally));
});
