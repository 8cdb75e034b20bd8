// A rolling upgrade: the previous version serves, a node of this version migrates its database, and both serve side by side.
// The previous version itself creates all earlier data by requests: in a stored dump codes and tokens would have expired, and
// it could not sign new ones.
import { randomUUID } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import * as oidc from 'openid-client';
import { loadConfig } from '../../config/index.ts';
import { migrate } from '../../src/core/store/migrate.ts';
import { createConcurrencyGate } from '../../src/lib/concurrency_gate.ts';
import { startServer } from '../../src/process/run_server.ts';
import { adminScope } from './admin.ts';
import { type NamedUser, password } from './builders.ts';
import type { Json } from './client.ts';
import { callback, discover, getCode, logIn, type Scene, startRequest } from './code_flow.ts';
import { connectDevice, deviceGrant } from './devices.ts';
import { type Key, makeKey, proofFor } from './dpop.ts';
import { api, type ClientAuth, login, type Tokens, token, tokensOf } from './oauth.ts';
import { openPathProxy } from './path_proxy.ts';
import { runPrevious, startPrevious } from './previous.ts';
import { environment, gateway, type Settings, type TestServer } from './server.ts';
import { freePort } from './server_process.ts';
import { makeEmptyStore, type StoreName, storeNames } from './stores.ts';
import { startTrailLoad, type TrailLoad } from './upgrade_load.ts';
import { openUserAgent, type Page } from './user_agent.ts';

/** A session from before the upgrade. */
export interface Holder {
  kind: string;
  user: NamedUser;
  client: ClientAuth;
  /** The tokens that the previous version issued. */
  first: Tokens;
  /** The latest tokens. */
  tokens: Tokens;
  /** The DPoP key, for a session that is bound to one. */
  key?: Key;
}

export interface Stage {
  old: TestServer;
  new: TestServer;
  /** Makes the issuer's URL lead to this node, for browsers and client libraries. */
  pass: (to: TestServer) => void;
  holders: Holder[];
  /** A browser that was signed in by this request's client. */
  scene: Scene;
  /** The first-party client through which the users of the tests log in. */
  app: ClientAuth;
  /** What the previous version did while a Postgres was migrated; null on SQLite. */
  load: TrailLoad | null;
  /** The flows in progress when the database was migrated. */
  underWay: {
    /** The tokens that the new version issued for a code of the previous one. */
    exchanged: oidc.TokenEndpointResponse;
    device: { scene: Scene; started: oidc.DeviceAuthorizationResponse };
    loginPage: { scene: Scene; page: Page };
    clientToken: string;
  };
}

const secret = 'the-secret-of-the-clients-of-the-upgrade';
const apiOfOthers = 'https://orders.example.test/';

/** Registers the test once per store, on a stage that the tests of the file share, one after the other. */
export function testOnUpgrade(
  title: string,
  body: (t: ExecutionContext, stage: Stage) => Promise<void>,
): void {
  for (const name of storeNames) {
    test(`${title} (${name})`, async (t) => {
      t.timeout(600_000);
      await turns[name](async () => await body(t, await sharedStage(name)));
    });
  }
}

const turns = { sqlite: createConcurrencyGate(1), postgres: createConcurrencyGate(1) };
const stages = new Map<StoreName, Promise<Stage & { close: () => Promise<void> }>>();

function sharedStage(name: StoreName) {
  const known = stages.get(name) ?? setStage(name);
  stages.set(name, known);
  return known;
}

test.after.always('the stages close', async () => {
  for (const stage of stages.values()) await (await stage.catch(() => null))?.close();
});

async function setStage(name: StoreName): Promise<Stage & { close: () => Promise<void> }> {
  const opened: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const one of opened.toReversed()) await one();
  };
  try {
    return { ...(await upgrade(name, (one) => opened.push(one))), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function upgrade(name: StoreName, closeLater: (close: () => Promise<void>) => void): Promise<Stage> {
  const store = await makeEmptyStore(name);
  closeLater(store.drop);
  const proxy = await openPathProxy('');
  closeLater(proxy.close);
  const { issuer } = proxy;
  const settings = async () => environment(store.url, { ISSUER: issuer, PORT: String(await freePort()) });
  const env = await settings();
  const previous = await startPrevious(env);
  closeLater(previous.stop);
  const shared = { store: name, db: store.db, databaseUrl: store.url, issuer };
  const old = { ...shared, url: previous.url };
  proxy.passTo(old.url);
  const before = await makeBefore(old, env);

  const load = name === 'postgres' ? await startLoad(old, before.app) : null;
  if (load) closeLater(load.stop);
  await load?.reach(5);
  await migrate(store.url);
  await load?.reach(5);
  await load?.stop();
  const present = await startServer(loadConfig(await settings()));
  closeLater(present.stop);
  const node = { ...shared, url: `http://127.0.0.1:${present.config.port}` };
  proxy.passTo(node.url);
  const pass = (to: TestServer) => proxy.passTo(to.url);
  const { pending, ...underWay } = before.underWay;
  const exchanged = await exchange(pending, pass, old, node);
  return { ...before, load, underWay: { ...underWay, exchanged }, old, new: node, pass };
}

async function startLoad(old: TestServer, app: ClientAuth): Promise<TrailLoad> {
  const robot = await addClient(old, { ...machine, first_party: true, scope: 'account' });
  return await startTrailLoad(old, await addUser(old), app, robot);
}

interface Pending {
  scene: Scene;
  code: Awaited<ReturnType<typeof getCode>>;
  /** By `performance.now()`. */
  at: number;
}

// A code lives for a minute. If the migration took longer, the previous version issues another one.
async function exchange(pending: Pending, pass: Stage['pass'], old: TestServer, node: TestServer) {
  let { code, at } = pending;
  const { scene } = pending;
  for (;;) {
    pass(node);
    try {
      return await oidc.authorizationCodeGrant(scene.config, code.back, code.started.checks);
    } catch (error) {
      if (performance.now() - at < 50_000) throw error;
    }
    pass(old);
    at = performance.now();
    code = await getCode(scene);
  }
}

const adminApp = { client_id: 'console' };

/** The access token of the administrator, from this node. */
export async function enter(server: TestServer): Promise<string> {
  return tokensOf(await login(server, { username: 'root' }, adminApp, { scope: adminScope })).access_token;
}

/** POSTs to an admin route of this node; returns what it created. */
export async function post<Made = Json>(server: TestServer, path: string, json: unknown): Promise<Made> {
  const { status, body, text } = await api(server, `POST /admin${path}`, await enter(server), { json });
  if (status !== 200 && status !== 201) throw new Error(`${status}: ${text}`);
  return body as Made;
}

/** A user with the password of all test users, created by this node. */
export async function addUser(server: TestServer): Promise<NamedUser> {
  return await post(server, '/users', { username: `user-${randomUUID().slice(0, 8)}`, password });
}

/** A client, created by this node. */
export async function addClient(server: TestServer, given: Json): Promise<Required<ClientAuth>> {
  const metadata = { client_name: 'App', client_secret: secret, ...given };
  const isPublic = given.token_endpoint_auth_method === 'none';
  const { client_secret: _, ...unsecret } = metadata;
  const { client_id } = await post<{ client_id: string }>(server, '/clients', isPublic ? unsecret : metadata);
  return { client_id, client_secret: isPublic ? '' : secret };
}

const strict = { first_party: true, token_endpoint_auth_method: 'none', rotation_profile: 'strict' };
const machine = { token_endpoint_auth_method: 'client_secret_post', grant_types: ['client_credentials'] };
const web = { token_endpoint_auth_method: 'client_secret_post', redirect_uris: [callback] };
const television = {
  token_endpoint_auth_method: 'none',
  client_name: 'Television',
  redirect_uris: [],
  response_types: [],
  grant_types: [deviceGrant, 'refresh_token'],
};

/** The access token of `client_credentials` at this node. */
export async function tokenOf(server: TestServer, client: Required<ClientAuth>): Promise<string> {
  const form = { grant_type: 'client_credentials', ...client, scope: 'account' };
  return tokensOf(await token(server, form)).access_token;
}

/** A user with a browser at a third-party client, both created by this node. */
export async function addScene(server: TestServer, given: Json = web): Promise<Scene> {
  const client = await addClient(server, given);
  const auth = given.token_endpoint_auth_method === 'none' ? oidc.None() : oidc.ClientSecretPost(secret);
  const config = await discover(server, client.client_id, auth);
  const user = await addUser(server);
  return { server, client_id: client.client_id, config, user, ua: openUserAgent(server.issuer) };
}

async function makeBefore(old: TestServer, env: Settings) {
  const root = ['--username', 'root', '--role', 'admin', '--password-stdin'];
  await runPrevious(['create-user', ...root], env, password);
  const app = { ...adminApp, first_party: true, token_endpoint_auth_method: 'none', scope: adminScope };
  await runPrevious(['create-client', '--metadata', '-'], env, JSON.stringify(app));
  await addClient(old, {
    ...gateway,
    ...machine,
    resource_server: '*',
    first_party: true,
  });
  await post(old, '/resource-servers', {
    identifier: apiOfOthers,
    scope: 'orders:read',
    access_token_format: 'opaque',
  });
  const ours = publicOf(await addClient(old, strict));
  const holders = [
    await open(old, ours, 'plain', {}),
    await open(old, ours, 'openid', { scope: 'openid account' }),
    await open(old, ours, 'opaque', { resource: apiOfOthers, scope: 'orders:read' }),
    await openBound(old, ours),
  ];
  const scene = await addScene(old);
  holders.push(holderOf('third_party', scene, await logIn(scene, { scope: 'openid profile' }), secret));
  const tv = await addScene(old, television);
  holders.push(holderOf('device', tv, await connectDevice(tv)));
  return { holders, scene, app: ours, underWay: await beginEverything(old) };
}

async function beginEverything(old: TestServer) {
  const robot = await addClient(old, { ...machine, first_party: true, scope: 'account' });
  const clientToken = await tokenOf(old, robot);
  const tv = await addScene(old, television);
  const started = await oidc.initiateDeviceAuthorization(tv.config, { scope: 'openid' });
  const visitor = await addScene(old);
  const page = await visitor.ua.open((await startRequest(visitor)).url.href);
  const scene = await addScene(old);
  // Last, because it lives for a minute.
  const pending = { scene, at: performance.now(), code: await getCode(scene) };
  return { clientToken, device: { scene: tv, started }, loginPage: { scene: visitor, page }, pending };
}

async function open(
  server: TestServer,
  client: ClientAuth,
  kind: string,
  form: Record<string, string>,
): Promise<Holder> {
  const user = await addUser(server);
  const tokens = tokensOf(await login(server, user, client, form));
  return { kind, user, client, first: tokens, tokens };
}

async function openBound(server: TestServer, client: ClientAuth): Promise<Holder> {
  const [user, key] = [await addUser(server), await makeKey()];
  const headers = { DPoP: await proofFor(key, 'POST', `${server.issuer}/token`) };
  const tokens = tokensOf(await login(server, user, client, {}, { headers }));
  return { kind: 'dpop', user, client, first: tokens, tokens, key };
}

function holderOf(
  kind: string,
  { client_id, user }: Scene,
  answer: oidc.TokenEndpointResponse,
  client_secret?: string,
): Holder {
  const tokens = answer as unknown as Tokens;
  const client = { client_id, ...(client_secret === undefined ? {} : { client_secret }) };
  return { kind, user, client, first: tokens, tokens };
}

function publicOf({ client_id }: ClientAuth): ClientAuth {
  return { client_id };
}
