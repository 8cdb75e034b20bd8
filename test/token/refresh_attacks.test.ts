// Attacks on a refresh, and failures in its middle. A refused request leaves the session as it was.
import type { ExecutionContext } from 'ava';
import { mintRefreshToken } from '../../src/core/sessions/refresh_token.ts';
import type { Session } from '../../src/core/sessions/sessions.ts';
import { json } from '../../src/core/store/columns.ts';
import { keyring, makeUser, openTestSession } from '../helpers/builders.ts';
import { type Answer, send } from '../helpers/client.ts';
import { type KindName, openKind, refreshKind } from '../helpers/refresh_kinds.ts';
import { rowOf } from '../helpers/rows.ts';
import { type Store, testOnStores } from '../helpers/stores.ts';
import { createTwinClients } from '../helpers/twin_clients.ts';
import { certificateHeader, dpopHeader } from '../helpers/twin_proofs.ts';
import { openPair, ownApi, type Pair } from '../helpers/twins.ts';

const settings = { TRUST_PROXY: '1', MTLS_CERTIFICATE_HEADER: 'x-client-certificate' };

async function setUp(t: ExecutionContext, store: Store): Promise<Pair> {
  const pair = await openPair(t, store, settings);
  await createTwinClients(pair.deps.db);
  return pair;
}

async function stateOf({ deps: { db } }: Pair, { id }: Session) {
  const { generation, ended_reason } = await rowOf(db('sessions').where({ id }).first());
  return { generation, ended_reason };
}

const said = ({ status, body }: Answer) => [status, body.error, body.error_description];

const untouched = { generation: 0, ended_reason: null };
const bothEntrances = ({ fast, engine }: Pair) => [fast, engine];

const unknown = [400, 'invalid_grant', 'The refresh token is unknown, or belongs to another client.'];
const noProof = [400, 'invalid_grant', 'A DPoP proof is needed here, and the request has none.'];
const otherKey = [
  ...[400, 'invalid_grant'],
  'The refresh token is bound to another key than that of the DPoP proof.',
];
const replayed = [400, 'invalid_grant', 'The DPoP proof was used before; make a new one for each request.'];

testOnStores('a token of another client is unknown, whatever the session is', async (t, store) => {
  const pair = await setUp(t, store);
  const live = await openKind(pair, 'openid');
  const ended = await openKind(pair, 'openid');
  await pair.deps
    .db('sessions')
    .where({ id: ended.id })
    .update({ ended_at: new Date(), ended_reason: 'logout', ended_by: 'user' });
  for (const app of bothEntrances(pair)) {
    for (const session of [live, ended]) {
      const answer = await refreshKind(app, 'openid', session, { form: { client_id: 'spa' } });
      t.deepEqual(said(answer), unknown);
      t.is(answer.body.reason, undefined, 'only its own client learns why');
    }
  }
  t.deepEqual(await stateOf(pair, live), untouched);
});

testOnStores('a bound token is refused without its key or certificate', async (t, store) => {
  const pair = await setUp(t, store);
  const other = await dpopHeader('other key', undefined);
  const wrong: [KindName, Record<string, string>, unknown[]][] = [
    ['DPoP', { DPoP: '' }, noProof],
    ['DPoP', other, otherKey],
    ['DPoP of a confidential client', { DPoP: '' }, noProof],
    ['DPoP that the client demands', { DPoP: '' }, noProof],
    [
      'certificate',
      { 'X-Client-Certificate': '' },
      [400, 'invalid_grant', 'A client certificate is needed here, and the request has none.'],
    ],
    [
      'certificate',
      certificateHeader('other'),
      [400, 'invalid_grant', 'The refresh token is bound to another client certificate.'],
    ],
  ];
  for (const app of bothEntrances(pair)) {
    for (const [name, headers, expected] of wrong) {
      const session = await openKind(pair, name);
      t.deepEqual(said(await refreshKind(app, name, session, { headers })), expected, name);
      t.deepEqual(await stateOf(pair, session), untouched);
      t.is((await refreshKind(app, name, session)).status, 200, name);
      // The predecessor within the window is no way around the binding.
      t.deepEqual(said(await refreshKind(app, name, session, { headers })), expected, `${name}, as a retry`);
      t.deepEqual(await stateOf(pair, session), { generation: 1, ended_reason: null });
    }
  }
});

testOnStores('of ten refreshes at once with one proof one succeeds', async (t, store) => {
  const pair = await setUp(t, store);
  await pair.deps.db('clients').where({ client_id: 'strict' }).update({ refresh_token_retry_window: 600 });
  const session = await openKind(pair, 'DPoP');
  const headers = await dpopHeader('own key', undefined);
  const apps = Array.from({ length: 5 }, () => bothEntrances(pair)).flat();
  const answers = await Promise.all(apps.map((app) => refreshKind(app, 'DPoP', session, { headers })));
  const refused = answers.filter(({ status }) => status !== 200);
  t.is(refused.length, 9);
  for (const answer of refused) t.deepEqual(said(answer), replayed);
  t.deepEqual(await stateOf(pair, session), { generation: 1, ended_reason: null });
  t.deepEqual(
    said(await refreshKind(pair.fast, 'DPoP', session, { headers })),
    replayed,
    'nor is it a retry',
  );
  const retried = await refreshKind(pair.fast, 'DPoP', session);
  t.is(retried.body.refresh_token, mintRefreshToken(keyring, session, 1));
});

testOnStores(
  'a replayed proof with an old token neither refreshes nor ends the session',
  async (t, store) => {
    const pair = await setUp(t, store);
    const session = await openKind(pair, 'DPoP');
    const headers = await dpopHeader('own key', undefined);
    t.is((await refreshKind(pair.fast, 'DPoP', session, { headers })).status, 200);
    t.deepEqual(said(await refreshKind(pair.fast, 'DPoP', session, { headers })), replayed);
    t.deepEqual(await stateOf(pair, session), { generation: 1, ended_reason: null });
    t.is(
      (await refreshKind(pair.fast, 'DPoP', session)).body.reason,
      'token_reused',
      'a new proof shows the reuse',
    );
  },
);

testOnStores('a retry can ask for no more than a rotation', async (t, store) => {
  const pair = await setUp(t, store);
  await pair.deps.db('clients').where({ client_id: 'strict' }).update({ refresh_token_retry_window: 600 });
  const session = await openKind(pair, 'several resources');
  const ask = (form: Record<string, string>) =>
    refreshKind(pair.fast, 'several resources', session, { form });
  const narrow = await ask({ scope: 'orders:read' });
  t.is(narrow.body.scope, 'orders:read');
  t.is(narrow.body.id_token, undefined);
  const full = await ask({});
  t.is(full.body.refresh_token, narrow.body.refresh_token);
  t.true(String(full.body.id_token).startsWith('eyJ'));
  const tooMuch = 'refresh token missing requested scope';
  t.deepEqual(said(await ask({ scope: 'account admin' })), [400, 'invalid_scope', tooMuch]);
  const elsewhere = 'The resource https://quick.example.test/ was not granted to this session.';
  t.deepEqual(said(await ask({ resource: 'https://quick.example.test/' })), [
    400,
    'invalid_target',
    elsewhere,
  ]);
  t.deepEqual(await stateOf(pair, session), { generation: 1, ended_reason: null });
});

/** Makes every write of an opaque token fail, until the returned function is called. */
async function breakRecords({ db }: Pair['deps'], store: Store): Promise<() => Promise<void>> {
  const isFailing = "before insert on oidc_models for each row when (new.model = 'AccessToken')";
  if (store.name === 'sqlite') {
    await db.raw(`create trigger broken ${isFailing} begin select raise(abort, 'broken'); end`);
    return async () => void (await db.raw('drop trigger broken'));
  }
  const raise = `language plpgsql as $$ begin raise exception 'broken'; end $$`;
  await db.raw(`create function break() returns trigger ${raise}`);
  await db.raw(`create trigger broken ${isFailing} execute function break()`);
  return async () => void (await db.raw('drop trigger broken on oidc_models'));
}

testOnStores(
  'an opaque token that cannot be written is a lost answer, which a retry heals',
  async (t, store) => {
    const pair = await setUp(t, store);
    const { db } = pair.deps;
    await db('clients').where({ client_id: 'strict' }).update({ refresh_token_retry_window: 600 });
    for (const app of bothEntrances(pair)) {
      const session = await openKind(pair, 'opaque');
      const mend = await breakRecords(pair.deps, store);
      const lost = await refreshKind(app, 'opaque', session);
      t.deepEqual([lost.status, lost.body.error], [503, 'temporarily_unavailable']);
      t.is((await refreshKind(app, 'opaque', session)).status, 503, 'a retry needs a record as well');
      await mend();
      const healed = await refreshKind(app, 'opaque', session);
      t.is(healed.status, 200);
      t.is(healed.body.refresh_token, mintRefreshToken(keyring, session, 1));
      t.deepEqual(await stateOf(pair, session), { generation: 1, ended_reason: null });
      if (store.name === 'postgres') await db.raw('drop function break()');
    }
  },
);

testOnStores('without a retry window the session does not survive that loss', async (t, store) => {
  const pair = await setUp(t, store);
  const session = await openKind(pair, 'opaque');
  const mend = await breakRecords(pair.deps, store);
  t.is((await refreshKind(pair.fast, 'opaque', session)).status, 503);
  await mend();
  t.is((await refreshKind(pair.fast, 'opaque', session)).body.reason, 'token_reused');
  t.deepEqual(await stateOf(pair, session), { generation: 1, ended_reason: 'reuse_detected' });
});

testOnStores('a node whose client cache is outdated decides by the new clients', async (t, store) => {
  const pair = await setUp(t, store);
  const { db } = pair.deps;
  const confidential = await openKind(pair, 'DPoP of a confidential client');
  const session = await openKind(pair, 'plain');
  const kind = 'DPoP of a confidential client';
  t.is((await refreshKind(pair.fast, kind, confidential)).status, 200);
  t.is((await refreshKind(pair.fast, 'plain', session)).status, 200);
  await db('resource_servers').insert({
    identifier: ownApi,
    scope: '',
    access_token_format: 'opaque',
    created_at: new Date(),
    updated_at: new Date(),
  });
  const { body } = await refreshKind(pair.fast, 'plain', session, { generation: 1 });
  t.notRegex(String(body.access_token), /\./, 'the format is the new one');
  await db('clients')
    .where({ client_id: 'basic' })
    .update({ secrets: json([]) });
  const headers = await dpopHeader('own key', undefined);
  const late = await refreshKind(pair.fast, kind, confidential, { generation: 1, headers });
  t.deepEqual([late.status, late.body.error], [401, 'invalid_client'], 'the secret was removed');
  t.deepEqual(await stateOf(pair, confidential), { generation: 1, ended_reason: null });
  await db('clients').where({ client_id: 'strict' }).update({ deleted_at: new Date() });
  const gone = await refreshKind(pair.fast, 'plain', session, { generation: 2 });
  t.deepEqual([gone.status, gone.body.error], [401, 'invalid_client']);
  t.deepEqual(await stateOf(pair, session), { generation: 2, ended_reason: null });
});

testOnStores('a proof survives the repetition of its request with the current client', async (t, store) => {
  const pair = await setUp(t, store);
  const { db, clientCache } = pair.deps;
  const session = await openKind(pair, 'DPoP');
  t.is((await refreshKind(pair.fast, 'DPoP', session)).status, 200);
  await db('clients').where({ client_id: 'spa' }).update({ updated_at: new Date() });
  const known = await clientCache.find('strict');
  t.false(await clientCache.isCurrent(known?.version ?? 0));
  t.is((await refreshKind(pair.fast, 'DPoP', session, { generation: 1 })).status, 200);
});

testOnStores(
  'a token of a session that another user of the same client holds is that session alone',
  async (t, store) => {
    const pair = await setUp(t, store);
    const { db } = pair.deps;
    const client = await rowOf(db('clients').where({ client_id: 'strict' }).first());
    const like = {
      client,
      grant_payload: { openid: { scope: 'account' }, resources: { [ownApi]: 'account' } },
      token_payload: { gty: 'password', scope: 'account', resource: ownApi },
    };
    const [one, other] = [
      await openTestSession(db, { ...like, user: await makeUser(db) }),
      await openTestSession(db, { ...like, user: await makeUser(db) }),
    ];
    // The tag is right for a session that has another salt.
    const forged = mintRefreshToken(keyring, { id: other.id, salt: one.salt }, 0);
    for (const app of bothEntrances(pair)) {
      const answer = await send(`${app.url}/token`, {
        form: { grant_type: 'refresh_token', client_id: 'strict', refresh_token: forged },
      });
      t.deepEqual(said(answer), unknown);
    }
    t.deepEqual(await stateOf(pair, other), untouched);
  },
);
