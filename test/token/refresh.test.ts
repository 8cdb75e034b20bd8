// Compares refreshes at the direct entrance with the same ones through the engine: answers and rows must not differ.
import assert from 'node:assert/strict';
import type { Deps } from '../../src/core/deps.ts';
import { mintRefreshToken } from '../../src/core/sessions/refresh_token.ts';
import type { Session } from '../../src/core/sessions/sessions.ts';
import { createKeyring } from '../../src/lib/crypto.ts';
import { after, keyring, otherSecret, source } from '../helpers/builders.ts';
import { type Answer, type RequestOptions, send } from '../helpers/client.ts';
import { fc, fuzzing } from '../helpers/fuzzing.ts';
import {
  oddRefreshes,
  type Presentation,
  plainCase,
  type RefreshCase,
  refreshCase,
} from '../helpers/refresh_cases.ts';
import { rowOf } from '../helpers/rows.ts';
import { testOnStores } from '../helpers/stores.ts';
import { comparableAnswer, comparableRows } from '../helpers/twin_answers.ts';
import { createTwinClients, proofOf } from '../helpers/twin_clients.ts';
import { certificateHeader, dpopHeader } from '../helpers/twin_proofs.ts';
import { type App, makeTwins, openPair, type Pair, type Twin } from '../helpers/twins.ts';

const foreign = createKeyring([otherSecret]);

function tokenOf(
  presentation: Presentation,
  { session }: Twin,
  first: number,
  current: number,
): string | string[] | undefined {
  const mint = (generation: number) => mintRefreshToken(keyring, session, Math.max(0, generation));
  const good = mint(current);
  switch (presentation) {
    case 'current':
      return good;
    case 'current again':
      return mint(first);
    case 'predecessor':
      return mint(current - 1);
    case 'older':
      return mint(current - 2);
    case 'higher':
      return mint(current + 5);
    case 'tampered':
      return `${good.slice(0, -5)}AAAAA`;
    case 'another':
      return mintRefreshToken(keyring, { id: session.user_id, salt: session.salt }, current);
    case 'other key':
      return mintRefreshToken(foreign, session, current);
    case 'unknown key':
      return `krt_${Buffer.concat([Buffer.from([200]), Buffer.from(good.slice(4), 'base64url').subarray(1)]).toString('base64url')}`;
    case 'garbage':
      return 'krt_garbage';
    case 'empty':
      return '';
    case 'missing':
      return undefined;
    case 'twice':
      return [good, good];
    case 'padded':
      return ` ${good}`;
    case 'jwt':
      return 'eyJhbGciOiJub25lIn0.e30.';
  }
}

function grantOf({ grant, scope, resource }: RefreshCase): Record<string, unknown> {
  const asked = scope ?? 'account';
  const identifiers = [resource ?? []].flat();
  const resources = (value: string) => Object.fromEntries(identifiers.map((one) => [one, value]));
  const openid = (value: string) => ({ scope: value });
  switch (grant) {
    case 'all':
      return { openid: openid(asked), resources: resources(asked) };
    case 'claims':
      return { openid: { ...openid(asked), claims: ['email', 'unknown'] }, resources: resources(asked) };
    case 'nothing':
      return {};
    case 'less':
      return { openid: openid('profile'), resources: resources('orders:read account') };
    case 'openid alone':
      return { openid: openid(asked) };
    case 'resource alone':
      return { resources: resources(asked) };
    case 'repeated':
      return { openid: openid(`email ${asked} ${asked}`), resources: resources(`account ${asked} ${asked}`) };
    case 'spaced':
      return { openid: openid(`  ${asked} `), resources: resources(` ${asked}  account `) };
  }
}

const absolute = 2_592_000;
const idle = 604_800;

async function twinsOf({ deps }: Pair, given: RefreshCase): Promise<[Twin, Twin]> {
  const now = new Date(Math.floor(Date.now() / 1000) * 1000);
  const made = {
    fresh: 60,
    'idle too long': idle + 60,
    'too old': absolute + 60,
    'nearly too old': absolute - 600,
  }[given.age];
  const at = after(now, -made);
  const userRow: Record<string, unknown> = { token_version: given.token_version };
  if (given.status.startsWith('banned')) {
    Object.assign(userRow, { status: 'banned', status_message: 'so long' });
    if (given.status === 'banned for a while') userRow.ban_expires_at = after(now, 600);
    if (given.status === 'banned until now') userRow.ban_expires_at = after(now, -1);
  } else userRow.status = given.status;
  const rotated_at = { never: null, now, 'long ago': after(now, -50) }[given.rotated];
  const lastUsed = given.age === 'idle too long' ? at : (rotated_at ?? after(now, -40));
  const token_payload: Record<string, unknown> = {
    gty: 'password',
    ...(given.scope === null ? {} : { scope: given.scope }),
    ...(given.resource === null ? {} : { resource: given.resource }),
    authTime: Math.floor(at.getTime() / 1000),
    amr: ['pwd'],
    claims: { id_token: { auth_time: null, amr: null } },
    sid: true,
    ...given.extra,
  };
  return await makeTwins(
    deps,
    {
      user: { roles: given.roles, permissions: given.permissions, tenant_id: given.tenant_id },
      session: {
        client_id: given.client,
        device_id: null,
        grant_payload: grantOf(given),
        token_payload,
        idle_ttl: idle,
        absolute_ttl: absolute,
        source,
      },
      userRow,
      sessionRow: {
        generation: given.generation,
        rotated_at: given.rotated === 'long ago' ? after(now, -3600) : rotated_at,
        last_used_at: lastUsed,
        ...(given.ended ? { ended_at: after(now, -10), ended_reason: 'logout', ended_by: 'user' } : {}),
      },
    },
    at,
  );
}

async function questionOf(
  given: RefreshCase,
  token: string | string[] | undefined,
  first: string | undefined,
): Promise<RequestOptions> {
  const proof = await proofOf(given.client, given.way);
  const form = { grant_type: 'refresh_token', ...proof.form, refresh_token: token, ...given.form };
  return {
    method: given.method,
    path: given.path,
    form,
    // Node would send a GET with a chunked body without marking its end.
    chunked: given.chunked && given.method !== 'GET',
    headers: {
      'User-Agent': 'twins/1.0',
      ...proof.headers,
      ...(given.type === null ? {} : { 'Content-Type': given.type }),
      ...(await dpopHeader(given.prove, first)),
      ...certificateHeader(given.certificate),
      ...given.headers,
    },
  };
}

async function readSession({ db }: Deps, { session }: Twin): Promise<Session> {
  return await rowOf(db('sessions').where({ id: session.id }).first());
}

/** Presents the tokens of the case to one app, one after the other. */
async function tell({ deps }: Pair, app: App, twin: Twin, given: RefreshCase): Promise<Answer[]> {
  const answers: Answer[] = [];
  let proof: string | undefined;
  for (const presentation of given.presented) {
    const row = answers.length === 0 ? twin.session : await readSession(deps, twin);
    const token = tokenOf(presentation, twin, given.generation, row.generation);
    const question = await questionOf(given, token, proof);
    proof ??= question.headers?.DPoP;
    answers.push(await send(app.url, question));
  }
  return answers;
}

// Settings of a trusted proxy, which forwards addresses and certificates.
const behindProxy = { TRUST_PROXY: '1', MTLS_CERTIFICATE_HEADER: 'x-client-certificate' };

interface Tally {
  cases: number;
  requests: number;
  granted: number;
  fast: number;
}

async function compare(pair: Pair, given: RefreshCase, tally: Tally): Promise<void> {
  const { deps, fast, engine } = pair;
  const [one, other] = await twinsOf(pair, given);
  const before = fast.reached();
  const fastAnswers = await tell(pair, fast, one, given);
  const toEngine = fast.reached() - before;
  if (given === plainCase) assert.equal(toEngine, 0, 'a plain refresh went to the engine');
  const engineAnswers = await tell(pair, engine, other, given);
  const describe = (answers: Answer[], twin: Twin) =>
    Promise.all(answers.map((answer) => comparableAnswer(deps, answer, twin)));
  assert.deepEqual(await describe(fastAnswers, one), await describe(engineAnswers, other));
  assert.deepEqual(
    await comparableRows(deps, one, fastAnswers),
    await comparableRows(deps, other, engineAnswers),
  );
  tally.cases += 1;
  tally.requests += fastAnswers.length;
  tally.granted += fastAnswers.filter(({ status }) => status === 200).length;
  tally.fast += fastAnswers.length - toEngine;
}

testOnStores('both entrances answer a refresh alike', async (t, store) => {
  const pair = await openPair(t, store, behindProxy);
  await createTwinClients(pair.deps.db);
  const tally: Tally = { cases: 0, requests: 0, granted: 0, fast: 0 };
  await fc.assert(
    fc.asyncProperty(refreshCase, (given) => compare(pair, given, tally)),
    fuzzing(t, 400, oddRefreshes),
  );
  t.log(store.name, tally);
  t.true(tally.fast > 0.5 * tally.requests, JSON.stringify(tally));
});
