// Two apps on one database with the same keys: one answers common requests at the direct entrance, the other leaves all of them to
// the engine. Also pairs of users and sessions, equal except for their ids, one for each app.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import { loadConfig } from '../../config/index.ts';
import { createApp, createEngine, type Engine } from '../../src/app.ts';
import { type Deps, openDeps } from '../../src/core/deps.ts';
import { type NewSession, openSession } from '../../src/core/sessions/open_session.ts';
import type { Session } from '../../src/core/sessions/sessions.ts';
import { createUser, type NewUser } from '../../src/core/users/user_changes.ts';
import { newId } from '../../src/lib/ids.ts';
import type { NamedUser } from './builders.ts';
import { environment, type Settings } from './server.ts';
import type { Store } from './stores.ts';

export const issuer = 'https://id.example.test';
/** The default resource: the server's own API. */
export const ownApi = `${issuer}/api`;

/** Settings of a trusted proxy, which forwards addresses and certificates. */
export const behindProxy = { TRUST_PROXY: '1', MTLS_CERTIFICATE_HEADER: 'x-client-certificate' };

export interface App {
  url: string;
  /** The number of requests that reached the engine. */
  reached: () => number;
}

export interface Pair {
  deps: Deps;
  fast: App;
  engine: App;
}

/** Opens both apps on a store; closed with the test. Both have the same issuer, whatever their address, and write each rotation to the trail. */
export async function openPair(t: ExecutionContext, store: Store, settings: Settings = {}): Promise<Pair> {
  const config = loadConfig(environment(store.url, { ISSUER: issuer, AUDIT_REFRESHES: 'all', ...settings }));
  const deps = await openDeps(config);
  t.teardown(deps.close);
  const engine = createEngine(deps);
  return {
    deps,
    fast: await listen(t, deps, engine, true),
    engine: await listen(t, deps, engine, false),
  };
}

async function listen(t: ExecutionContext, deps: Deps, engine: Engine, fast: boolean): Promise<App> {
  let reached = 0;
  const counted: Engine = () => {
    const { provider, run } = engine();
    return {
      provider,
      run: (ctx, next) => {
        reached += 1;
        return run(ctx, next);
      },
    };
  };
  const server = createServer(createApp(deps, counted, { directEntrance: fast }).callback()).listen(
    0,
    '127.0.0.1',
  );
  t.teardown(() => close(server));
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, reached: () => reached };
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
}

/** One twin: a user with a session, and their rows before the request. */
export interface Twin {
  user: NamedUser;
  session: Session;
}

export interface TwinOptions {
  user: Omit<NewUser, 'username'>;
  session: Omit<NewSession, 'user_id' | 'id' | 'token_payload'> & { token_payload: Record<string, unknown> };
  /** Columns to set afterwards, for states that no request can create quickly. */
  userRow?: Record<string, unknown>;
  sessionRow?: Record<string, unknown>;
}

let made = 0;

/** Makes two users, each with a session, equal except for ids, names and salts. */
export async function makeTwins({ db }: Deps, like: TwinOptions, at: Date): Promise<[Twin, Twin]> {
  return await db.transaction(async (tx) => {
    const make = async (): Promise<Twin> => {
      made += 1;
      const id = newId(at.getTime());
      const { token_payload } = like.session;
      const named = token_payload.sid === true ? { ...token_payload, sid: id } : token_payload;
      const username = `twin-${made}`;
      let user: NamedUser = { ...(await createUser(tx, { ...like.user, username }, at)), username };
      const input = { ...like.session, id, user_id: user.id, token_payload: named };
      let session = await openSession(tx, input, at);
      if (!session) throw new Error('the session was not opened');
      if (like.sessionRow) [session] = await change<Session>(tx, 'sessions', id, like.sessionRow);
      [user] = await change<NamedUser>(tx, 'users', user.id, like.userRow ?? { token_version: 0 });
      return { user, session };
    };
    return [await make(), await make()];
  });
}

async function change<Row>(tx: Knex.Transaction, table: string, id: string, row: object): Promise<[Row]> {
  return (await tx(table).where({ id }).update(row).returning('*')) as [Row];
}
