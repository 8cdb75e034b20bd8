import { addConsent } from '../../../src/core/actions/consents.ts';
import { recordEvents } from '../../../src/core/audit/audit.ts';
import { type Client, findClient } from '../../../src/core/clients/clients.ts';
import { saveRegisteredClient } from '../../../src/core/clients/registered_clients.ts';
import { sweep } from '../../../src/core/operations/sweep.ts';
import type { RequestSource } from '../../../src/core/request_source.ts';
import { endSession } from '../../../src/core/sessions/end_sessions.ts';
import type { Session } from '../../../src/core/sessions/sessions.ts';
import type { Db } from '../../../src/core/store/db.ts';
import { registerDevice } from '../../../src/core/users/devices.ts';
import { digest } from '../../../src/lib/crypto.ts';
import { newId } from '../../../src/lib/ids.ts';
import { after, makeClient, makeRecord, makeUser, openTestSession, present } from '../../helpers/builders.ts';
import { makeMessage } from '../../helpers/messages.ts';
import { rotate } from '../../helpers/rotate.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { readTables } from '../../helpers/tables.ts';

const now = new Date('2030-06-01T12:00:00.000Z');
const day = 86_400;
const auditRetention = 400 * day;
const options = { auditRetention };
const nothing = {
  sessions: 0,
  oidc_models: 0,
  revoked_tokens: 0,
  rate_limits: 0,
  audit_events: 0,
  devices: 0,
  known_browsers: 0,
  one_time_codes: 0,
  clients: 0,
  outbox: 0,
};

function ago(days: number, seconds = 0): Date {
  return after(now, -days * day + seconds);
}

/** The names of the sessions that are left. */
async function left(db: Db): Promise<string[]> {
  const sessions: Session[] = await db('sessions');
  return sessions.map((session) => session.ip ?? '').toSorted();
}

function named(ip: string): RequestSource {
  return { ip, user_agent: null, request_id: null };
}

type Ttl = { idle_ttl?: number; absolute_ttl?: number };

async function openNamed(db: Db, name: string, opened: Date, ttl: Ttl = {}) {
  return await openTestSession(db, { ...(await owners(db)), source: named(name), ...ttl }, opened);
}

// One of each a database: who they are does not matter here.
const known = new WeakMap<Db, ReturnType<typeof makeOwners>>();
const makeOwners = async (db: Db) => ({ user: await makeUser(db), client: await makeClient(db) });

function owners(db: Db) {
  const made = known.get(db) ?? makeOwners(db);
  known.set(db, made);
  return made;
}

async function endAt(db: Db, session: Session, at: Date): Promise<void> {
  await endSession(db, session.id, { reason: 'logout', actor: 'user' }, at);
}

testOnStores(
  'sessions are removed 7 days after they expired or 30 days after they ended, not before',
  async (t, { db }) => {
    await openNamed(db, 'live', ago(20), { idle_ttl: 30 * day });
    await openNamed(db, 'idle for 7 days', ago(14), { idle_ttl: 7 * day });
    await openNamed(db, 'idle for almost 7 days', ago(14, 1), { idle_ttl: 7 * day });
    await openNamed(db, 'over for 7 days', ago(37), { idle_ttl: 90 * day, absolute_ttl: 30 * day });
    await openNamed(db, 'over for almost 7 days', ago(37, 1), { idle_ttl: 90 * day, absolute_ttl: 30 * day });
    const forever = { idle_ttl: 900 * day, absolute_ttl: 900 * day };
    await endAt(db, await openNamed(db, 'ended for 30 days', ago(50), forever), ago(30));
    await endAt(db, await openNamed(db, 'ended for almost 30 days', ago(50), forever), ago(30, 1));
    const used = await openNamed(db, 'used', ago(28), { idle_ttl: 7 * day });
    await rotate(db, present(used, 0, { source: named('used') }), ago(22));
    await rotate(db, present(used, 1, { source: named('used') }), ago(16));
    await rotate(db, present(used, 2, { source: named('used') }), ago(10));

    t.deepEqual(await sweep(db, options, now), { ...nothing, sessions: 3 });
    t.deepEqual(await left(db), [
      'ended for almost 30 days',
      'idle for almost 7 days',
      'live',
      'over for almost 7 days',
      'used',
    ]);
  },
);

testOnStores("the engine's records, revoked tokens and limits go with their time", async (t, { db }) => {
  for (const id of ['dead', 'alive']) await makeRecord(db, 'AuthorizationCode', id, {}, 60);
  await db('oidc_models')
    .where({ id: digest('dead') })
    .update({ expires_at: now });
  await db('oidc_models')
    .where({ id: digest('alive') })
    .update({ expires_at: after(now, 0.001) });
  await db('revoked_tokens').insert([
    { jti: 'dead', expires_at: now },
    { jti: 'alive', expires_at: after(now, 0.001) },
  ]);
  await db('rate_limits').insert([
    { key: 'dead', points: 1, expire: now.getTime() },
    { key: 'alive', points: 1, expire: now.getTime() + 1 },
    { key: 'endless', points: 1, expire: null },
  ]);
  t.deepEqual(await sweep(db, options, now), {
    ...nothing,
    oidc_models: 1,
    revoked_tokens: 1,
    rate_limits: 1,
  });
  t.deepEqual(
    (await db('oidc_models')).map((row) => row.id),
    [digest('alive')],
  );
  t.deepEqual(
    (await db('revoked_tokens')).map((row) => row.jti),
    ['alive'],
  );
  t.deepEqual(
    (await db('rate_limits').orderBy('key')).map((row) => row.key),
    ['alive', 'endless'],
  );
});

testOnStores(
  'events older than the retention are removed by the sweep, and only by it',
  async (t, { db }) => {
    await recordEvents(db, [{ type: 'login_failed', reason: 'old' }], after(now, -auditRetention - 1));
    await recordEvents(db, [{ type: 'login_failed', reason: 'young' }], after(now, -auditRetention));
    t.deepEqual(await sweep(db, options, now), { ...nothing, audit_events: 1 });
    t.deepEqual(
      (await db('audit_events')).map((event) => event.reason),
      ['young'],
    );
  },
);

testOnStores('many batches remove the same rows as one', async (t, { db }) => {
  const rows = Array.from({ length: 105 }, (_, i) => ({ jti: `t${i}`, expires_at: after(now, i - 52) }));
  await db.batchInsert('revoked_tokens', rows, 50);
  for (let i = 0; i < 23; i += 1) {
    await openNamed(db, i % 2 ? 'live' : 'dead', ago(60 - i), {
      idle_ttl: i % 2 ? 90 * day : day,
      absolute_ttl: 90 * day,
    });
    await recordEvents(db, [{ type: 'login_failed' }], after(now, -auditRetention - i));
  }
  const told: [string, number][] = [];
  const counts = await sweep(
    db,
    { ...options, batch: 10, progress: (table, count) => told.push([table, count]) },
    now,
  );
  t.deepEqual(counts, { ...nothing, sessions: 12, revoked_tokens: 53, audit_events: 22 });
  t.deepEqual([...new Set(await left(db))], ['live']);
  t.is((await db('revoked_tokens')).length, 52);
  t.deepEqual(
    told.filter(([table]) => table === 'revoked_tokens').map(([, count]) => count),
    [10, 20, 30, 40, 50, 53],
  );
});

testOnStores('a dry run counts what the sweep then removes, and changes nothing', async (t, { db }) => {
  await openNamed(db, 'dead', ago(60), { idle_ttl: day });
  await openNamed(db, 'live', ago(1));
  await db('revoked_tokens').insert({ jti: 'dead', expires_at: ago(1) });
  await recordEvents(db, [{ type: 'login_failed' }], after(now, -auditRetention - 1));
  const before = await readTables(db);
  const counted = await sweep(db, { ...options, dryRun: true }, now);
  t.deepEqual(await readTables(db), before);
  t.deepEqual(counted, { ...nothing, sessions: 1, revoked_tokens: 1, audit_events: 1 });
  t.deepEqual(await sweep(db, options, now), counted);
  t.deepEqual(await sweep(db, options, now), nothing, 'and a second one finds nothing more');
});

testOnStores('a sweep that is stopped finishes its batch', async (t, { db }) => {
  const rows = Array.from({ length: 50 }, (_, i) => ({ jti: `t${i}`, expires_at: after(now, -i) }));
  await db.batchInsert('revoked_tokens', rows, 50);
  const stop = new AbortController();
  const progress = () => stop.abort();
  const swept = await sweep(db, { ...options, batch: 10, progress, signal: stop.signal }, now);
  t.deepEqual(swept, nothing, 'the first batch is that of the sessions');
  t.is((await db('revoked_tokens')).length, 50);
});

testOnStores(
  'devices are removed after 90 days without a session, however many logins they had',
  async (t, { db }) => {
    const { user, client } = await owners(db);
    for (let i = 0; i < 3; i += 1) await registerDevice(db, user.id, { device_id: `old ${i}` }, ago(400 - i));
    await registerDevice(db, user.id, { device_id: 'almost' }, ago(90, 1));
    const used = await registerDevice(db, user.id, { device_id: 'used' }, ago(400));
    await openTestSession(
      db,
      { user, client, device_id: used?.id ?? null, idle_ttl: 900 * day, absolute_ttl: 900 * day },
      ago(400),
    );
    t.like(await sweep(db, options, now), { devices: 3, sessions: 0 });
    t.deepEqual((await db('devices')).map((device) => device.device_id).toSorted(), ['almost', 'used']);
  },
);

testOnStores('the sweep removes no session that is being rotated', async (t, { db }) => {
  const sessions: Session[] = [];
  // Idle for 6 days and 23 hours: the next use decides, and these are used while the sweep goes over them.
  for (let i = 0; i < 40; i += 1) {
    sessions.push(
      await openNamed(db, `s${i}`, new Date(Date.now() - (14 * day - 3_600) * 1000), {
        idle_ttl: 7 * day + 7_200,
        absolute_ttl: 90 * day,
      }),
    );
    await openNamed(db, 'dead', new Date(Date.now() - 30 * day * 1000), { idle_ttl: day });
  }
  await db('sessions')
    .where({ idle_ttl: 7 * day + 7_200 })
    .update({ last_used_at: new Date(Date.now() - 6 * day * 1000) });
  const rotations = sessions.map(async (session) => {
    const outcomes: string[] = [];
    for (let i = 0; i < 5; i += 1) outcomes.push((await rotate(db, present(session, i))).outcome);
    return outcomes;
  });
  const swept = await sweep(db, { ...options, batch: 7 });
  const outcomes = (await Promise.all(rotations)).flat();
  t.is(swept.sessions, 40);
  t.deepEqual([...new Set(outcomes)], ['rotated']);
  t.is((await db('sessions')).length, 40);
});

/** Saves a client that registered itself, as of then. */
async function register(db: Db, client_id: string, at: Date, given: object = {}): Promise<Client> {
  const said = { redirect_uris: ['https://app.example/cb'], token_endpoint_auth_method: 'none' };
  await saveRegisteredClient(db, client_id, said, 'itself');
  await makeRecord(db, 'RegistrationAccessToken', `token of ${client_id}`, { clientId: client_id }, day);
  await db('clients')
    .where({ client_id })
    .update({ created_at: at, updated_at: at, ...given });
  return (await findClient(db, client_id)) as Client;
}

testOnStores(
  'clients that registered themselves are removed after 30 days without use',
  async (t, { db }) => {
    const long = ago(40);
    await register(db, 'unused', long);
    await register(db, 'unused for almost 30 days', ago(30, 1));
    await register(db, 'changed since', long, { updated_at: ago(29) });
    await register(db, 'blocked', long, { blocked_at: long });
    await register(db, 'vouched for', long, { registered_by: 'admin' });
    const user = await makeUser(db);
    const used = await register(db, 'used', long);
    await openTestSession(db, { user, client: used, idle_ttl: 90 * day }, ago(1));
    const allowed = await register(db, 'allowed', long);
    await addConsent(db, user.id, allowed.client_id, { openid: ['openid'], claims: [], resources: {} });
    const ours = await makeClient(db);
    await db('clients').where({ client_id: ours.client_id }).update({ created_at: long, updated_at: long });

    const swept = await sweep(db, { ...options, batch: 2 }, now);
    t.is(swept.clients, 1);
    t.is(await findClient(db, 'unused'), null);
    t.is((await db('clients')).length, 7);
    const tokens = await db('oidc_models').where({ second_id: digest('unused') });
    t.deepEqual(tokens, [], 'nothing is left to manage it with');
    t.is((await sweep(db, options, now)).clients, 0);
  },
);

testOnStores('known browsers are removed after 400 days without a login', async (t, { db }) => {
  const user = await makeUser(db);
  const browser = (id: string, last_used_at: Date) =>
    ({ id, proof: 'x', user_id: user.id, created_at: ago(500), last_used_at }) as never;
  await db('known_browsers').insert([
    browser('old', ago(400, -1)),
    browser('young', ago(400, 1)),
    browser('younger', ago(1)),
  ]);
  t.deepEqual(await sweep(db, options, now), { ...nothing, known_browsers: 1 });
  t.deepEqual(
    (await db('known_browsers').orderBy('id')).map((row) => row.id),
    ['young', 'younger'],
  );
});

testOnStores(
  'dead messages are removed after 30 days, mails that nobody sends after two days or when they expire',
  async (t, { db }) => {
    const waiting = { state: 'waiting' as const };
    const token = { ...waiting, kind: 'logout_token' as const };
    const kept = [
      await makeMessage(db, { created_at: ago(30, 60) }),
      await makeMessage(db, { ...waiting, created_at: ago(40), next_attempt_at: ago(2, 1) }),
      await makeMessage(db, { ...token, created_at: ago(40), next_attempt_at: ago(40) }),
      await makeMessage(db, { ...waiting, created_at: ago(0), expires_at: ago(0, 1) }),
    ];
    await makeMessage(db, { created_at: ago(30, -60) });
    await makeMessage(db, { ...waiting, created_at: ago(2, -1) });
    await makeMessage(db, { ...waiting, created_at: ago(0), expires_at: ago(0, -1) });
    t.deepEqual(await sweep(db, options, now), { ...nothing, outbox: 3 });
    t.deepEqual(await db('outbox').orderBy('id').pluck('id'), kept.toSorted());
  },
);

testOnStores('one-time codes are removed a week after their links have expired', async (t, { db }) => {
  const code = (expires_at: Date) => ({
    id: newId(),
    purpose: 'recover' as const,
    expires_at,
    created_at: ago(30),
  });
  const [young, old] = [code(ago(7, 1)), code(ago(7, -1))];
  await db('one_time_codes').insert([young, old]);
  t.deepEqual(await sweep(db, options, now), { ...nothing, one_time_codes: 1 });
  t.deepEqual(await db('one_time_codes').select('id'), [{ id: young.id }]);
});
