// Compares introspections at the direct entrance with the same ones through the engine's client authentication: the answers must not
// differ.
import assert from 'node:assert/strict';
import { mintRefreshToken } from '../../src/core/sessions/refresh_token.ts';
import { keyring, source } from '../helpers/builders.ts';
import { type Answer, granted, send } from '../helpers/client.ts';
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
import { befall, questionOf, type Token } from '../helpers/twin_tokens.ts';
import { type App, makeTwins, openPair, type Pair, type Twin } from '../helpers/twins.ts';

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

testOnStores('both entrances answer an introspection alike', async (t, store) => {
  const pair = await openPair(t, store);
  await createTwinClients(pair.deps.db);
  const tally: Tally = { requests: 0, active: 0, fast: 0 };
  await fc.assert(
    fc.asyncProperty(introspectionCase, (given) => compare(pair, given, tally)),
    fuzzing(t, 250, oddIntrospections),
  );
  t.log(store.name, tally);
  t.true(tally.fast > 0.15 * tally.requests, JSON.stringify(tally));
});
