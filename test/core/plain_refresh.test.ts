// The refresh in one statement: it rotates what is plain and in order, and touches nothing else.
import type { ExecutionContext } from 'ava';
import { createClientCache, type KnownClient } from '../../src/core/client_cache.ts';
import { updateClient } from '../../src/core/clients.ts';
import type { Db } from '../../src/core/db.ts';
import { type PlainRefresh, refreshPlainSession } from '../../src/core/plain_refresh.ts';
import {
  type DecodedRefreshToken,
  decodeRefreshToken,
  mintRefreshToken,
} from '../../src/core/refresh_token.ts';
import { createResourceServer, updateResourceServer } from '../../src/core/resource_servers.ts';
import { endSessions } from '../../src/core/session_end.ts';
import { findSession, type NewSession, type Session } from '../../src/core/sessions.ts';
import { changeUserStatus } from '../../src/core/user_status.ts';
import type { User } from '../../src/core/users.ts';
import { keyring, makeClient, makeUser, openTestSession, origin } from '../helpers/builders.ts';
import { type Store, testOnStores } from '../helpers/stores.ts';

const own_resource = 'https://id.example.test/api';
const api = 'https://orders.example.test/';
const plain = {
  gty: 'password',
  scope: 'account',
  resource: own_resource,
  authTime: 1_700_000_000,
  sid: 'x',
};

interface Scene {
  db: Db;
  user: User;
  session: Session;
  refresh: PlainRefresh;
}

function tokenOf(session: Session, generation = session.generation): DecodedRefreshToken {
  const token = decodeRefreshToken(mintRefreshToken(keyring, session, generation));
  if (!token) throw new Error('a token of ours does not decode');
  return token;
}

async function setScene({ db }: Store, given: Partial<NewSession> = {}): Promise<Scene> {
  const user = await makeUser(db, { roles: ['customer'], permissions: ['orders:read'], tenant_id: 'acme' });
  const { client_id } = await makeClient(db);
  const client = (await createClientCache(db).find(client_id)) as KnownClient;
  const session = await openTestSession(db, { user, client, token_payload: plain, ...given });
  return { db, user, session, refresh: { token: tokenOf(session), client, own_resource, origin } };
}

async function assertRotated(t: ExecutionContext, { db, user, session, refresh }: Scene): Promise<void> {
  const { user_id, salt, grant_payload, token_payload, idle_ttl, created_at, absolute_expires_at } = session;
  t.deepEqual(await refreshPlainSession(db, refresh), {
    ...{ user_id, salt, grant_payload, token_payload, idle_ttl, created_at, absolute_expires_at },
    generation: refresh.token.generation + 1,
    roles: ['customer'],
    permissions: ['orders:read'],
    tenant_id: 'acme',
    token_version: user.token_version,
    api_scope: null,
    api_ttl: null,
  });
  const row = await findSession(db, session.id);
  t.is(row?.generation, refresh.token.generation + 1);
  t.deepEqual(row?.rotated_at, row?.last_used_at);
  t.deepEqual([row?.ip, row?.user_agent], [origin.ip, origin.user_agent]);
}

testOnStores('the current token of a plain session rotates it', async (t, store) => {
  await assertRotated(t, await setScene(store));
});

testOnStores('a generation ahead of the database is honoured', async (t, store) => {
  const scene = await setScene(store);
  await assertRotated(t, { ...scene, refresh: { ...scene.refresh, token: tokenOf(scene.session, 41) } });
});

testOnStores('of twenty at once one rotates', async (t, store) => {
  const { db, refresh } = await setScene(store);
  const all = await Promise.all(Array.from({ length: 20 }, () => refreshPlainSession(db, refresh)));
  t.deepEqual(
    all.filter((one) => one !== null).map((one) => one.generation),
    [1],
  );
});

interface Case {
  title: string;
  given?: Partial<NewSession>;
  /** What is done before the refresh; may answer with another refresh. */
  act?: (scene: Scene) => Promise<Partial<PlainRefresh> | undefined>;
}

const change =
  (row: object) =>
  async ({ db, session }: Scene) => {
    await db('sessions').where({ id: session.id }).update(row);
    return undefined;
  };

const setStatus =
  (status: 'banned' | 'disabled' | 'deleted') =>
  async ({ db, user }: Scene) => {
    await changeUserStatus(db, user.id, { status, actor: 'admin' });
    return undefined;
  };

const cases: Case[] = [
  { title: 'an older token', act: change({ generation: 1 }) },
  {
    title: 'a proof that another salt gives',
    act: async ({ session }) => ({ token: tokenOf({ ...session, salt: Buffer.alloc(16) }) }),
  },
  {
    title: 'the proof of another generation',
    act: async ({ session }) => ({ token: { ...tokenOf(session, 1), proof: tokenOf(session, 0).proof } }),
  },
  {
    title: 'an ended session',
    async act({ db, session }) {
      await endSessions(db, { id: session.id }, { reason: 'logout', actor: 'user' });
      return undefined;
    },
  },
  { title: 'a session that was not used for too long', act: change({ last_used_at: new Date(0) }) },
  { title: 'a session past its absolute end', act: change({ absolute_expires_at: new Date(0) }) },
  { title: 'a banned user', act: setStatus('banned') },
  { title: 'a disabled user', act: setStatus('disabled') },
  { title: 'a deleted user', act: setStatus('deleted') },
  {
    title: 'another client',
    async act({ db }) {
      const { client_id } = await makeClient(db);
      return { client: (await createClientCache(db).find(client_id)) as KnownClient };
    },
  },
  { title: 'a session that gets ID tokens', given: { token_payload: { ...plain, scope: 'openid account' } } },
  { title: 'a session bound to a key', given: { token_payload: { ...plain, jkt: 'thumbprint' } } },
  { title: 'a session that once sent proofs', given: { token_payload: { ...plain, dpop: true } } },
  { title: 'a session with rich authorization details', given: { token_payload: { ...plain, rar: [] } } },
  {
    title: 'a session for two resources',
    given: { token_payload: { ...plain, resource: [own_resource, api] } },
  },
  { title: 'a session for no resource', given: { token_payload: { ...plain, resource: undefined } } },
  {
    title: 'a session for a resource nobody registered',
    given: { token_payload: { ...plain, resource: api } },
  },
];

for (const { title, given, act } of cases) {
  testOnStores(`${title} is left as it is`, async (t, store) => {
    const scene = await setScene(store, given);
    const other = await act?.(scene);
    const before = await findSession(store.db, scene.session.id);
    t.is(await refreshPlainSession(store.db, { ...scene.refresh, ...other }), null);
    t.deepEqual(await findSession(store.db, scene.session.id), before);
  });
}

testOnStores(
  'tokens for a registered API come with what it says now, and opaque ones not at all',
  async (t, store) => {
    const { db } = store;
    await createResourceServer(db, { identifier: api, scope: 'orders:read', access_token_ttl: 60 });
    const scene = await setScene(store, { token_payload: { ...plain, resource: api } });
    const refreshed = await refreshPlainSession(db, scene.refresh);
    t.deepEqual([refreshed?.api_scope, refreshed?.api_ttl], ['orders:read', 60]);
    await updateResourceServer(db, api, { access_token_format: 'opaque' });
    t.is(await refreshPlainSession(db, { ...scene.refresh, token: tokenOf(scene.session, 1) }), null);
  },
);

testOnStores(
  'what was remembered of a client is worth nothing once its row has changed',
  async (t, store) => {
    const { db, name } = store;
    const { session, refresh } = await setScene(store);
    const { client_id } = refresh.client;
    const cache = createClientCache(db);
    t.deepEqual(await cache.find(client_id), refresh.client);
    await db.transaction((tx) => updateClient(tx, client_id, { client_name: 'Renamed' }));
    if (name === 'postgres') {
      t.deepEqual(await cache.find(client_id), refresh.client, 'still remembered');
      t.is(await refreshPlainSession(db, refresh), null);
    }
    cache.forget(client_id);
    const renewed = (await cache.find(client_id)) as KnownClient;
    t.is(renewed.metadata.client_name, 'Renamed');
    t.is((await refreshPlainSession(db, { ...refresh, client: renewed }))?.generation, 1);
    // By hand, past all of our code.
    await db.raw(`update clients set scope = 'x' where client_id = ?`, [client_id]);
    const again = { ...refresh, client: renewed, token: tokenOf(session, 1) };
    t.is((await refreshPlainSession(db, again))?.generation, name === 'postgres' ? undefined : 2);
  },
);
