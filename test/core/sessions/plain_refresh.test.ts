// The refresh in one statement: it rotates plain live sessions and changes no other.
import type { ExecutionContext } from 'ava';
import { findIntrospection } from '../../../src/core/access_tokens/introspection.ts';
import { isLive } from '../../../src/core/access_tokens/live_token.ts';
import { changeUserStatus } from '../../../src/core/actions/user_status.ts';
import { openClientCache, type Registered } from '../../../src/core/clients/client_cache.ts';
import { updateClient } from '../../../src/core/clients/clients.ts';
import { createResourceServer, updateResourceServer } from '../../../src/core/clients/resource_servers.ts';
import { endSession } from '../../../src/core/sessions/end_sessions.ts';
import { findSession } from '../../../src/core/sessions/find_session.ts';
import type { NewSession } from '../../../src/core/sessions/open_session.ts';
import { type PlainRefresh, refreshPlainSession } from '../../../src/core/sessions/plain_refresh.ts';
import {
  type DecodedRefreshToken,
  decodeRefreshToken,
  mintRefreshToken,
} from '../../../src/core/sessions/refresh_token.ts';
import { listLiveSessions } from '../../../src/core/sessions/session_list.ts';
import type { Session } from '../../../src/core/sessions/sessions.ts';
import type { Db } from '../../../src/core/store/db.ts';
import type { User } from '../../../src/core/users/users.ts';
import { keyring, makeClient, makeUser, openTestSession, source } from '../../helpers/builders.ts';
import { type Store, testOnStores } from '../../helpers/stores.ts';

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

async function lookAt(db: Db, client_id: string): Promise<Registered> {
  const known = await openClientCache(db, own_resource).find(client_id);
  if (!known) throw new Error('there is no such client');
  return known;
}

async function setUpScene({ db }: Store, given: Partial<NewSession> = {}): Promise<Scene> {
  const user = await makeUser(db, { roles: ['customer'], permissions: ['orders:read'], tenant_id: 'acme' });
  const { client_id } = await makeClient(db);
  const known = await lookAt(db, client_id);
  const session = await openTestSession(db, { user, client: known.client, token_payload: plain, ...given });
  return { db, user, session, refresh: { token: tokenOf(session), known, own_resource, source } };
}

async function assertRotated(t: ExecutionContext, { db, user, session, refresh }: Scene): Promise<void> {
  const { user_id, salt, grant_payload, token_payload, idle_ttl, created_at, absolute_expires_at } = session;
  t.deepEqual(await refreshPlainSession(db, refresh), {
    ...{ id: session.id, username: user.username, email: user.email },
    ...{ user_id, salt, grant_payload, token_payload, idle_ttl, created_at, absolute_expires_at },
    roles: ['customer'],
    permissions: ['orders:read'],
    tenant_id: 'acme',
    token_version: user.token_version,
  });
  const row = await findSession(db, session.id);
  t.is(row?.generation, refresh.token.generation + 1);
  t.deepEqual(row?.rotated_at, row?.last_used_at);
  t.deepEqual([row?.ip, row?.user_agent], [source.ip, source.user_agent]);
}

testOnStores('the current token of a plain session rotates it', async (t, store) => {
  await assertRotated(t, await setUpScene(store));
});

testOnStores('a generation ahead of the database is accepted', async (t, store) => {
  const scene = await setUpScene(store);
  await assertRotated(t, { ...scene, refresh: { ...scene.refresh, token: tokenOf(scene.session, 41) } });
});

testOnStores('of twenty concurrent refreshes, one rotates', async (t, store) => {
  const { db, session, refresh } = await setUpScene(store);
  const all = await Promise.all(Array.from({ length: 20 }, () => refreshPlainSession(db, refresh)));
  t.is(all.filter((one) => one !== null).length, 1);
  t.is((await findSession(db, session.id))?.generation, 1);
});

interface Case {
  title: string;
  given?: Partial<NewSession>;
  /** Runs before the refresh; may return another refresh. */
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
    title: 'a proof made with another salt',
    act: async ({ session }) => ({ token: tokenOf({ ...session, salt: Buffer.alloc(16) }) }),
  },
  {
    title: 'the proof of another generation',
    act: async ({ session }) => ({ token: { ...tokenOf(session, 1), proof: tokenOf(session, 0).proof } }),
  },
  {
    title: 'an ended session',
    async act({ db, session }) {
      await endSession(db, session.id, { reason: 'logout', actor: 'user' });
      return undefined;
    },
  },
  { title: 'a session past its idle lifetime', act: change({ last_used_at: new Date(0) }) },
  { title: 'a session past its absolute lifetime', act: change({ absolute_expires_at: new Date(0) }) },
  { title: 'a banned user', act: setStatus('banned') },
  { title: 'a disabled user', act: setStatus('disabled') },
  { title: 'a deleted user', act: setStatus('deleted') },
  {
    title: 'another client',
    async act({ db }) {
      const { client_id } = await makeClient(db);
      return { known: await lookAt(db, client_id) };
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
    title: 'a session for an unregistered resource',
    given: { token_payload: { ...plain, resource: api } },
  },
];

for (const { title, given, act } of cases) {
  testOnStores(`${title} is not refreshed and not changed`, async (t, store) => {
    const scene = await setUpScene(store, given);
    const other = await act?.(scene);
    const before = await findSession(store.db, scene.session.id);
    t.is(await refreshPlainSession(store.db, { ...scene.refresh, ...other }), null);
    t.deepEqual(await findSession(store.db, scene.session.id), before);
  });
}

testOnStores('a session for a registered API is plain as long as its tokens are JWTs', async (t, store) => {
  const { db } = store;
  await createResourceServer(db, { identifier: api, scope: 'orders:read', access_token_ttl: 60 });
  const { session, refresh } = await setUpScene(store, { token_payload: { ...plain, resource: api } });
  t.is(refresh.known.servers.get(api)?.access_token_ttl, 60);
  t.not(await refreshPlainSession(db, refresh), null);
  await updateResourceServer(db, api, { access_token_format: 'opaque' });
  const again = { ...refresh, token: tokenOf(session, 1) };
  t.is(await refreshPlainSession(db, again), null, 'the cached resource server is outdated');
  const known = await lookAt(db, refresh.known.client.client_id);
  t.is(
    await refreshPlainSession(db, { ...again, known }),
    null,
    'the current resource server has opaque tokens',
  );
});

testOnStores(
  'a session for our own API is not plain when that is registered with opaque tokens',
  async (t, store) => {
    await createResourceServer(store.db, { identifier: own_resource, access_token_format: 'opaque' });
    const { refresh } = await setUpScene(store);
    t.is(await refreshPlainSession(store.db, refresh), null);
  },
);

testOnStores('a cached client does not refresh once anything has changed', async (t, store) => {
  const { db } = store;
  const { session, refresh } = await setUpScene(store);
  const { client_id } = refresh.known.client;
  const cache = openClientCache(db, own_resource);
  t.deepEqual(await cache.find(client_id), refresh.known);
  await db.transaction((tx) => updateClient(tx, client_id, { client_name: 'Renamed' }));
  t.deepEqual(await cache.find(client_id), refresh.known, 'still cached');
  t.is(await refreshPlainSession(db, refresh), null);
  cache.forget(refresh.known.version);
  const known = await cache.find(client_id);
  t.is(known?.client.metadata.client_name, 'Renamed');
  if (!known) throw new Error('the client is gone');
  t.not(await refreshPlainSession(db, { ...refresh, known }), null);
  // By SQL, without our code.
  const again = { ...refresh, known, token: tokenOf(session, 1) };
  await db.raw(`update clients set scope = 'x' where client_id = ?`, [client_id]);
  t.is(await refreshPlainSession(db, again), null);
  const now = await lookAt(db, client_id);
  t.not(await refreshPlainSession(db, { ...again, known: now }), null);
});

testOnStores(
  'a change while the client cache is being read does not lead to a wrong answer',
  async (t, { db }) => {
    const cache = openClientCache(db, own_resource);
    const { client_id } = await makeClient(db);
    t.is(await cache.find('nobody'), null);
    t.is(await cache.find('no\0body'), null);
    // Another client was registered since the first read, so the requested one would be of another version.
    await makeClient(db);
    t.is(await cache.find(client_id), null);
    t.is((await cache.find(client_id))?.client.client_id, client_id, 'the next read is complete again');
  },
);

testOnStores('columns that a newer node adds do not break prepared statements', async (t, store) => {
  const { db } = store;
  const { user, session, refresh } = await setUpScene(store);
  const { client_id, token_version: client_version } = refresh.known.client;
  const cache = openClientCache(db, own_resource);
  const claims = {
    iss: '',
    sub: user.id,
    exp: 0,
    iat: 0,
    jti: 'x',
    client_id,
    client_version,
    sid: session.id,
  };
  const askAll = async (generation: number) => {
    const known = await cache.find(client_id);
    if (!known) return null;
    const refreshed = await refreshPlainSession(db, {
      ...refresh,
      known,
      token: tokenOf(session, generation),
    });
    const asked = await findIntrospection(db, known.version, claims);
    const listed = await listLiveSessions(db, user.id);
    return [refreshed !== null, asked?.is_live, await isLive(db, claims), listed.length];
  };
  t.deepEqual(await askAll(0), [true, true, true, 1]);
  for (const table of ['sessions', 'users', 'clients', 'resource_servers', 'registry', 'audit_events']) {
    await db.schema.alterTable(table, (one) => one.text('of_a_newer_node'));
  }
  cache.forget((await cache.find(client_id))?.version ?? 0);
  t.deepEqual(await askAll(1), [true, true, true, 1]);
});
