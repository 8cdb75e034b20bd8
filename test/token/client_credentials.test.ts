// Compares tokens for clients that act for themselves at the direct entrance with those of the engine's entrance.
import assert from 'node:assert/strict';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { findRecord } from '../../src/core/engine_records/engine_records.ts';
import { type Answer, type Json, send } from '../helpers/client.ts';
import { makeKey, proofFor } from '../helpers/dpop.ts';
import { fc, fuzzing } from '../helpers/fuzzing.ts';
import { testOnStores } from '../helpers/stores.ts';
import { comparableAnswer } from '../helpers/twin_answers.ts';
import {
  type ClientName,
  certificate,
  createTwinClients,
  opaque,
  orders,
  proofOf,
  quick,
  unregistered,
  type Way,
} from '../helpers/twin_clients.ts';
import { type App, behindProxy, issuer, openPair, ownApi, type Pair } from '../helpers/twins.ts';

const clients: ClientName[] = [
  'gateway',
  'orders',
  'others',
  'machine',
  'robot',
  'provingRobot',
  'certifiedRobot',
  'basic',
  'itself',
  'document',
];
const scopes = [
  'orders:read',
  'orders:write',
  'quick:read',
  'opaque:read',
  'account',
  'admin',
  'openid',
  'x"y',
];
const resources = [ownApi, orders, quick, opaque, unregistered, `${orders}#x`, 'no uri', ''];

const cases = fc.record({
  client: fc.constantFrom(...clients),
  way: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom<Way>('post') },
    { weight: 2, arbitrary: fc.constantFrom<Way>('registered', 'basic', 'wrong post', 'name', 'both') },
  ),
  scope: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(undefined, 'orders:read', 'orders:read orders:read') },
    { weight: 1, arbitrary: fc.subarray(scopes, { maxLength: 3 }).map((some) => some.join(' ')) },
  ),
  resource: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(undefined, orders, opaque, quick) },
    { weight: 1, arbitrary: fc.subarray(resources, { maxLength: 2 }) },
  ),
  proof: fc.option(
    fc.constantFrom<Record<string, unknown>>(
      {},
      {},
      { iat: 1 },
      { htm: 'GET' },
      { jti: '' },
      { jti: 'one for all' },
    ),
    { nil: undefined },
  ),
  certified: fc.boolean(),
  more: fc.oneof(
    { weight: 8, arbitrary: fc.constant<Record<string, string>>({}) },
    { weight: 1, arbitrary: fc.constantFrom({ unknown: 'x' }, { authorization_details: '[]' }) },
  ),
});

type Case = typeof cases extends fc.Arbitrary<infer Given> ? Given : never;

const key = makeKey();

async function ask(app: App, given: Case, own: string): Promise<Answer> {
  const { form, headers } = await proofOf(given.client, given.way);
  const { proof, scope, resource, more } = given;
  // A jti that is used again is used again by each app, and not by both.
  const claims = proof?.jti ? { ...proof, jti: `${proof.jti} ${own}` } : proof;
  const sent = claims && { DPoP: await proofFor(await key, 'POST', `${issuer}/token`, { claims }) };
  return await send(`${app.url}/token`, {
    form: { grant_type: 'client_credentials', ...form, scope, resource, ...more },
    headers: { ...headers, ...sent, ...(given.certified ? { 'X-Client-Certificate': certificate } : {}) },
  });
}

// The token in a form that can be compared: its claims, or those of its record, without what differs from token to token.
async function comparableToken({ deps }: Pair, token: string): Promise<object> {
  if (token.split('.').length === 3) {
    const { jti, iat = 0, exp = 0, ...claims } = decodeJwt(token);
    return { header: decodeProtectedHeader(token), claims, jti: String(jti).length, lives: exp - iat };
  }
  const found = await findRecord(deps.db, 'ClientCredentials', token);
  const { iat, exp, jti, ...payload } = (found?.payload ?? {}) as Json & { iat: number; exp: number };
  return { payload, jti: String(jti).length, lives: exp - iat };
}

async function outcomeOf(pair: Pair, answer: Answer): Promise<object> {
  const { access_token } = answer.body;
  const like = (await comparableAnswer(pair.deps, answer, null)) as { body: Json; order: unknown };
  const events = await eventsOf(pair, answer);
  if (typeof access_token !== 'string') return { ...like, events };
  const body = { ...like.body, access_token: await comparableToken(pair, access_token) };
  return { ...like, body, order: null, length: null, events };
}

async function eventsOf({ deps }: Pair, { headers }: Answer): Promise<object[]> {
  await deps.audit.flush();
  const events = await deps.db('audit_events').where({ request_id: String(headers['x-request-id']) });
  return events.map(({ id: _id, created_at: _at, request_id: _request, ...event }) => event);
}

testOnStores(
  'both entrances give a client the same token for itself, or the same refusal',
  async (t, store) => {
    const pair = await openPair(t, store, behindProxy);
    await createTwinClients(pair.deps.db);
    const tally = { requests: 0, granted: 0, direct: 0 };
    const compare = async (given: Case) => {
      const reached = pair.fast.reached();
      const direct = await ask(pair.fast, given, 'direct');
      tally.direct += pair.fast.reached() === reached ? 1 : 0;
      const engine = await ask(pair.engine, given, 'engine');
      // Of several faults either may be named.
      const isBad = given.proof && Object.keys(given.proof).length > 0;
      if (!isBad || direct.body.error !== 'invalid_dpop_proof')
        assert.deepEqual(await outcomeOf(pair, direct), await outcomeOf(pair, engine));
      else t.is(engine.status, 400);
      tally.requests += 1;
      tally.granted += direct.status === 200 ? 1 : 0;
    };
    await fc.assert(fc.asyncProperty(cases, compare), fuzzing(t, 300));
    t.log(store.name, tally);
    t.true(
      tally.direct > 0.4 * tally.requests && tally.granted > 0.1 * tally.requests,
      JSON.stringify(tally),
    );
  },
);
