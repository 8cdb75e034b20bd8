// Compares revocations at the direct entrance with the same ones through the engine's client authentication: answers, rows and events
// must not differ.
import assert from 'node:assert/strict';
import { registerDevice } from '../../src/core/users/devices.ts';
import { source } from '../helpers/builders.ts';
import { type Answer, send } from '../helpers/client.ts';
import { fc, fuzzing } from '../helpers/fuzzing.ts';
import { makeToken } from '../helpers/odd_tokens.ts';
import { oddRevocations, type RevocationCase, revocationCase } from '../helpers/revocation_cases.ts';
import { testOnStores } from '../helpers/stores.ts';
import { comparableAnswer, comparableRows } from '../helpers/twin_answers.ts';
import { createTwinClients, opaque } from '../helpers/twin_clients.ts';
import { befall, questionOf } from '../helpers/twin_tokens.ts';
import { type App, makeTwins, openPair, type Pair, type Twin } from '../helpers/twins.ts';

async function twinsOf({ deps }: Pair, given: RevocationCase): Promise<[Twin, Twin]> {
  const scope = 'account orders:read opaque:read';
  const twins = await makeTwins(
    deps,
    {
      user: {},
      session: {
        client_id: given.client,
        device_id: null,
        grant_payload: { openid: { scope }, resources: { [opaque]: scope } },
        token_payload: { gty: 'password', scope, resource: opaque, authTime: 1_700_000_000, sid: true },
        idle_ttl: 604_800,
        absolute_ttl: 2_592_000,
        source,
      },
      sessionRow: { generation: 3 },
    },
    new Date(),
  );
  if (given.device) for (const twin of twins) await addDevice(deps, twin);
  return twins;
}

async function addDevice({ db }: Pair['deps'], twin: Twin): Promise<void> {
  const device = await registerDevice(db, twin.user.id, { device_id: 'phone', push_token: 'push' });
  if (!device) throw new Error('no device');
  await db('sessions').where({ id: twin.session.id }).update({ device_id: device.id });
  twin.session = { ...twin.session, device_id: device.id };
}

/** What a revocation can change beside the session, the user and the events. */
async function effectsOn({ db }: Pair['deps'], { user, session }: Twin): Promise<object> {
  const counted = async (table: 'outbox' | 'oidc_models') =>
    (await db(table).where({ session_id: session.id })).length;
  const devices = await db('devices').where({ user_id: user.id });
  return {
    notices: await counted('outbox'),
    records: await counted('oidc_models'),
    push: devices.map((device) => device.push_token),
  };
}

interface Tally {
  requests: number;
  ended: number;
  revoked: number;
  fast: number;
}

async function compare(pair: Pair, given: RevocationCase, tally: Tally): Promise<void> {
  const { deps, fast, engine } = pair;
  const [one, other] = await twinsOf(pair, given);
  const run = async (on: App, twin: Twin) => {
    const token = await makeToken(deps, given.kind, twin, opaque);
    await befall(deps, given, twin, token);
    const question = await questionOf(given, token);
    const revoked = deps.db('revoked_tokens').count({ n: '*' });
    const [{ n: before } = {}] = await revoked.clone();
    const answers: Answer[] = [];
    for (let i = 1; i < given.times; i += 1) answers.push(await send(on.url, await questionOf(given, token)));
    const answer = await send(on.url, question);
    answers.push(answer);
    const [{ n: after } = {}] = await revoked.clone();
    return {
      answer: await comparableAnswer(deps, answer, null),
      rows: await comparableRows(deps, twin, answers),
      effects: { ...(await effectsOn(deps, twin)), revoked: Number(after) - Number(before) },
    };
  };
  const reached = fast.reached();
  const found = await run(fast, one);
  tally.fast += fast.reached() === reached ? 1 : 0;
  assert.deepEqual(found, await run(engine, other));
  tally.requests += 1;
  tally.revoked += (found.effects as { revoked: number }).revoked;
  tally.ended +=
    (found.rows as { session: { ended_reason: unknown } }).session.ended_reason === 'token_revoked' ? 1 : 0;
}

testOnStores('both entrances revoke alike', async (t, store) => {
  const pair = await openPair(t, store);
  await createTwinClients(pair.deps.db);
  const tally: Tally = { requests: 0, ended: 0, revoked: 0, fast: 0 };
  await fc.assert(
    fc.asyncProperty(revocationCase, (given) => compare(pair, given, tally)),
    fuzzing(t, 250, oddRevocations),
  );
  t.log(store.name, tally);
  t.true(tally.ended > 0 && tally.revoked > 0 && tally.fast > 0, JSON.stringify(tally));
});
