// How many statements an introspection and a revocation send to Postgres, at either entrance, with a warm client cache. BEGIN and COMMIT
// count: each is a round trip.
import type { ExecutionContext } from 'ava';
import { openSession } from '../../src/core/sessions/open_session.ts';
import { mintRefreshToken } from '../../src/core/sessions/refresh_token.ts';
import type { Session } from '../../src/core/sessions/sessions.ts';
import { registerDevice } from '../../src/core/users/devices.ts';
import { keyring, makeUser, type NamedUser, newSession } from '../helpers/builders.ts';
import { send } from '../helpers/client.ts';
import type { Kind } from '../helpers/introspection_cases.ts';
import { makeToken } from '../helpers/odd_tokens.ts';
import { type Store, testOnStores } from '../helpers/stores.ts';
import { type ClientName, createTwinClients, proofOf } from '../helpers/twin_clients.ts';
import { type App, openPair, ownApi, type Pair, type Twin } from '../helpers/twins.ts';

interface Scene extends Pair {
  t: ExecutionContext;
  user: NamedUser;
}

async function openScene(t: ExecutionContext, store: Store): Promise<Scene> {
  const pair = await openPair(t, store);
  await createTwinClients(pair.deps.db);
  return { ...pair, t, user: await makeUser(pair.deps.db) };
}

/** A session of this client, on a device with a push token if `device` is given. */
async function open({ deps, user }: Scene, client_id: ClientName, device?: string): Promise<Twin> {
  const { db } = deps;
  const found = device ? await registerDevice(db, user.id, { device_id: device, push_token: 'push' }) : null;
  const session = await openSession(db, { ...newSession(user, { client_id }), device_id: found?.id ?? null });
  if (!session) throw new Error('the session was not opened');
  return { user, session };
}

interface Seen {
  sql: string;
  /** The transaction of the statement, if it is in one. */
  __knexTxId?: string;
}

// What runs on its own time: the batch of events, the clock, the signing keys.
function isAside({ sql, __knexTxId }: Seen): boolean {
  return __knexTxId === undefined && /^\s*insert into audit_events|signing_keys|now_at/.test(sql);
}

/** The statements of one request, which must be granted. */
async function count({ t, deps }: Scene, app: App, path: string, client: ClientName, token: unknown) {
  const { form, headers } = await proofOf(client, 'registered');
  const seen: string[] = [];
  const see = (query: Seen) => void (isAside(query) || seen.push(query.sql));
  deps.db.on('query', see);
  const answer = await send(`${app.url}${path}`, { form: { ...form, token: String(token) }, headers });
  deps.db.off('query', see);
  t.is(answer.status, 200, answer.text);
  return { count: seen.length, seen, body: answer.body };
}

const mint = (session: Session) => mintRefreshToken(keyring, session, session.generation);

const kinds: [Kind, boolean][] = [
  ['signed', true],
  ['no session', true],
  ['opaque user', true],
  ['opaque client', true],
  ['refresh', true],
  ['salted refresh', false],
  ['refresh and more', false],
  ['foreign', false],
  ['garbage', false],
];

testOnStores(
  'an introspection of any token is one statement, and at most three through the engine',
  async (t, store) => {
    const scene = await openScene(t, store);
    for (const [client, app, most] of [
      ['post', scene.fast, 1],
      ['post', scene.engine, 2],
      ['keyed', scene.fast, 3],
    ] as const) {
      const twin = await open(scene, client);
      await count(scene, app, '/introspect', client, 'to warm the cache');
      for (const [kind, isActive] of kinds) {
        const token = await makeToken(scene.deps, kind, twin, ownApi);
        const { count: n, seen, body } = await count(scene, app, '/introspect', client, token);
        t.is(body.active, isActive, `${client}: ${kind}`);
        t.is(n, most, `${client}: ${kind}: ${seen.join(';\n')}`);
      }
    }
  },
  ['postgres'],
);

testOnStores(
  'a revocation is one statement, and at most eight for a session with a device or a notice',
  async (t, store) => {
    const scene = await openScene(t, store);
    const revoke = async (app: App, client: ClientName, token: unknown, most: number, of: string) => {
      const { count: n, seen } = await count(scene, app, '/revoke', client, token);
      t.is(n, most, `${of}: ${seen.join(';\n')}`);
    };
    for (const [client, app, most] of [
      ['post', scene.fast, 1],
      ['post', scene.engine, 2],
      ['keyed', scene.engine, 3],
    ] as const) {
      await count(scene, app, '/revoke', client, 'to warm the cache');
      for (const [kind] of kinds) {
        const token = await makeToken(scene.deps, kind, await open(scene, client), ownApi);
        await revoke(app, client, token, most, `${client}: ${kind}`);
      }
      const { session } = await open(scene, client);
      await revoke(app, client, mint(session), most, `${client}: a live session`);
      const row = await scene.deps.db('sessions').where({ id: session.id }).first('ended_reason');
      t.is(row?.ended_reason, 'token_revoked');
    }
    await count(scene, scene.fast, '/revoke', 'notified', 'to warm the cache');
    const onDevice = await open(scene, 'post', 'one');
    await revoke(scene.fast, 'post', mint(onDevice.session), 8, 'on a device');
    const noticed = await open(scene, 'notified');
    await revoke(scene.fast, 'notified', mint(noticed.session), 6, 'with a notice');
    const both = await open(scene, 'notified', 'two');
    await revoke(scene.fast, 'notified', mint(both.session), 8, 'on a device and with a notice');
  },
  ['postgres'],
);
