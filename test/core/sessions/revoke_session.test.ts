// Revocation of refresh tokens: what it ends, and that it ends exactly once, with one event, whatever happens to the session, its user or
// its client while it waits for a lock. The locks are held by the tests, which release them when everybody waits.
import type { ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import { changeUserStatus } from '../../../src/core/actions/user_status.ts';
import type { Client } from '../../../src/core/clients/clients.ts';
import { endAllSessions } from '../../../src/core/sessions/end_many.ts';
import { endSession } from '../../../src/core/sessions/end_sessions.ts';
import { openSession } from '../../../src/core/sessions/open_session.ts';
import { decodeRefreshToken, mintRefreshToken } from '../../../src/core/sessions/refresh_token.ts';
import { revokeSession } from '../../../src/core/sessions/revoke_session.ts';
import type { Session } from '../../../src/core/sessions/sessions.ts';
import { registerDevice } from '../../../src/core/users/devices.ts';
import { keyring, makeClient, makeUser, newSession, present, source } from '../../helpers/builders.ts';
import { rotate } from '../../helpers/rotate.ts';
import { currentVersion, rowOf } from '../../helpers/rows.ts';
import { type Store, testOnStores } from '../../helpers/stores.ts';
import { openDatabases } from '../../helpers/tables.ts';
import { until } from '../../helpers/until.ts';

interface Scene {
  db: Knex;
  client: Client;
  session: Session;
  /** Presents the token of this generation for revocation, on a node of its own. */
  revoke: (generation?: number, salt?: Buffer) => Promise<boolean>;
}

async function openScene(
  t: ExecutionContext,
  store: Store,
  { device = false, notice = false }: { device?: boolean; notice?: boolean } = {},
): Promise<Scene> {
  const [node] = await openDatabases(t, store, 1);
  const client = await makeClient(
    store.db,
    notice ? { backchannel_logout_uri: 'https://app.example/out' } : {},
  );
  const user = await makeUser(store.db);
  const phone = device
    ? await registerDevice(store.db, user.id, { device_id: 'phone', push_token: 'push' })
    : null;
  const session = await openSession(store.db, { ...newSession(user, client), device_id: phone?.id ?? null });
  if (!session || !node) throw new Error('the session was not opened');
  const version = await currentVersion(store.db);
  const revoke = async (generation = 0, salt = session.salt) => {
    const token = decodeRefreshToken(mintRefreshToken(keyring, { id: session.id, salt }, generation));
    if (!token) throw new Error('a minted token has the right form');
    return await revokeSession(node, { token, known: { client, servers: new Map(), version }, source });
  };
  return { db: store.db, client, session, revoke };
}

async function outcomeOf({ db, session }: Scene) {
  const row = await rowOf(db('sessions').where({ id: session.id }).first());
  const events = await db('audit_events').where({ session_id: session.id, type: 'session_ended' });
  const notices = await db('outbox').where({ session_id: session.id });
  const devices = await db('devices').where({ user_id: session.user_id });
  return {
    ended_reason: row.ended_reason,
    events: events.map((event) => event.reason),
    notices: notices.length,
    push: devices.map((one) => one.push_token),
  };
}

for (const [title, given] of Object.entries({
  'without a device': {},
  'on a device': { device: true },
  'of a client that wants a notice': { notice: true },
  'of such a client on a device': { device: true, notice: true },
})) {
  testOnStores(`revoking a session ${title} ends it with everything that belongs to it`, async (t, store) => {
    const scene = await openScene(t, store, given);
    t.true(await scene.revoke());
    const { device, notice } = { device: false, notice: false, ...given };
    const expected = {
      ended_reason: 'token_revoked',
      events: ['token_revoked'],
      notices: notice ? 1 : 0,
      push: device ? [null] : [],
    };
    t.deepEqual(await outcomeOf(scene), expected);
    const { client, db, session } = scene;
    const event = await rowOf(
      db('audit_events').where({ session_id: session.id, type: 'session_ended' }).first(),
    );
    const { id: _id, created_at: _at, ...said } = event;
    t.deepEqual(said, {
      type: 'session_ended',
      user_id: session.user_id,
      session_id: session.id,
      client_id: client.client_id,
      actor: 'client',
      actor_id: client.client_id,
      reason: 'token_revoked',
      ...source,
      detail: null,
    });
    t.true(await scene.revoke(), 'a second time');
    t.deepEqual(await outcomeOf(scene), expected);
  });
}

testOnStores('a token of any generation revokes; one with another salt does not', async (t, store) => {
  const scene = await openScene(t, store);
  await scene.db('sessions').where({ id: scene.session.id }).update({ generation: 5 });
  t.true(await scene.revoke(2, Buffer.alloc(16)));
  t.is((await outcomeOf(scene)).ended_reason, null);
  t.true(await scene.revoke(2));
  t.is((await outcomeOf(scene)).ended_reason, 'token_revoked');
});

for (const given of [{}, { device: true }, { notice: true }]) {
  const title = Object.keys(given)[0] ?? 'neither device nor notice';
  testOnStores(`a client that has changed since revokes nothing (${title})`, async (t, store) => {
    const scene = await openScene(t, store, given);
    await scene.db('registry').increment('version', 1);
    t.false(await scene.revoke());
    t.deepEqual((await outcomeOf(scene)).events, []);
  });
}

/** Runs both while the test holds `table`'s row of the session, one after the other in the queue for it, then lets them go. */
async function race(
  { db, session }: Scene,
  table: 'users' | 'sessions',
  first: () => Promise<unknown>,
  second: () => Promise<unknown>,
): Promise<unknown[]> {
  const waiting = async () =>
    (
      await db.raw(`select 1 from pg_locks where not granted and database =
      (select oid from pg_database where datname = current_database()) or not granted and locktype = 'transactionid'
      and pid in (select pid from pg_stat_activity where datname = current_database())`)
    ).rows.length;
  const id = table === 'users' ? session.user_id : session.id;
  const running: Promise<unknown>[] = [];
  await db.transaction(async (tx) => {
    await tx(table).where({ id }).forUpdate().first('id');
    for (const [count, work] of [first, second].entries()) {
      running.push(work());
      await until(async () => (await waiting()) > count, `${count + 1} wait for the row`);
    }
  });
  return await Promise.all(running);
}

interface Rival {
  /** What both wait for. */
  table: 'users' | 'sessions';
  work: (scene: Scene) => Promise<unknown>;
  /** How the session has ended when the rival came first, and when the revocation did. */
  first: string;
  second: string;
}

const endsAll = (keeps: boolean) => (scene: Scene) =>
  endAllSessions(
    scene.db,
    scene.session.user_id,
    { reason: 'password_changed', actor: 'user' },
    { session_id: keeps ? scene.session.id : null },
  );

const rivals: Record<string, Rival> = {
  'a ban': {
    table: 'users',
    work: ({ db, session }) => changeUserStatus(db, session.user_id, { status: 'banned', actor: 'admin' }),
    first: 'user_banned',
    second: 'token_revoked',
  },
  'a change of the password in another session': {
    table: 'users',
    work: endsAll(false),
    first: 'password_changed',
    second: 'token_revoked',
  },
  'a change of the password in this session, which goes on': {
    table: 'users',
    work: endsAll(true),
    first: 'token_revoked',
    second: 'token_revoked',
  },
  'the ordinary ending': {
    table: 'sessions',
    work: ({ db, session }) => endSession(db, session.id, { reason: 'logout', actor: 'user' }),
    first: 'logout',
    second: 'token_revoked',
  },
  'a rotation': {
    table: 'sessions',
    work: ({ db, session }) => rotate(db, present(session, 0)),
    first: 'token_revoked',
    second: 'token_revoked',
  },
  'another revocation': {
    table: 'users',
    work: ({ revoke }) => revoke(),
    first: 'token_revoked',
    second: 'token_revoked',
  },
};

for (const [name, { table, work, first, second }] of Object.entries(rivals)) {
  for (const device of [false, true]) {
    testOnStores(
      `a revocation and ${name} end a session once${device ? ', on a device' : ''}`,
      async (t, store) => {
        const behind = await openScene(t, store, { device });
        await race(
          behind,
          table,
          () => work(behind),
          () => behind.revoke(),
        );
        const push = device ? [null] : [];
        t.deepEqual(
          await outcomeOf(behind),
          { ended_reason: first, events: [first], notices: 0, push },
          'behind it',
        );
        const ahead = await openScene(t, store, { device });
        await race(
          ahead,
          table,
          () => ahead.revoke(),
          () => work(ahead),
        );
        t.deepEqual(
          await outcomeOf(ahead),
          { ended_reason: second, events: [second], notices: 0, push },
          'ahead of it',
        );
      },
      ['postgres'],
    );
  }
}
