// One valid request for every row of the route tables. A row without one fails test/http/api/openapi/document.test.ts.
import { randomBytes } from 'node:crypto';
import { addConsent } from '../../src/core/actions/consents.ts';
import { issueCode } from '../../src/core/one_time_codes/one_time_codes.ts';
import { countStatistics } from '../../src/core/statistics/count_statistics.ts';
import { json } from '../../src/core/store/columns.ts';
import { keyring, makeClient, makeUser, password } from './builders.ts';
import { makeMessage } from './messages.ts';
import { api, type SignedIn, signIn } from './oauth.ts';
import { makeConfidentialClient, makeResourceServer } from './resources.ts';
import { rowOf } from './rows.ts';
import type { TestServer } from './server.ts';
import { mailsTo, newAddress, requestSignUp } from './sign_up.ts';

/** The callers of the requests; one of each per server. */
export interface Callers {
  server: TestServer;
  /** A user on a device, with the scope `account`. */
  user: SignedIn;
  /** A user with the scope `openid` alone. */
  unscoped: SignedIn;
  /** An administrator with the scopes `account` and `admin`. */
  admin: SignedIn;
}

export interface GoodRequest {
  /** Below `/api`. */
  path: string;
  json?: unknown;
  /** The caller, where it is not the one of the row's kind. */
  token?: string;
}

type Case = (callers: Callers) => Promise<GoodRequest> | GoodRequest;

/** The valid requests by `<method> <path>` of their row. */
export const cases: Record<string, Case> = {
  ...userCases(),
  ...adminCases(),
  ...outboxCases(),
  ...invitationCases(),
};

const known = new WeakMap<TestServer, Promise<Callers>>();

/** The callers of a server, signed in once. */
export async function callersOf(server: TestServer): Promise<Callers> {
  const signing = known.get(server) ?? signInCallers(server);
  known.set(server, signing);
  return await signing;
}

async function signInCallers(server: TestServer): Promise<Callers> {
  const admin = await makeUser(server.db, { roles: ['admin'] });
  const console = await makeClient(server.db, { scope: 'openid account admin' });
  return {
    server,
    user: await signIn(server, { form: { device_id: 'phone', device_name: 'My phone' } }),
    unscoped: await signIn(server, { form: { scope: 'openid' } }),
    admin: await signIn(server, { user: admin, client: console, form: { scope: 'account admin' } }),
  };
}

function addressCases(): Record<string, Case> {
  return {
    'post /me/email': async ({ server }) => {
      const { tokens } = await signIn(server);
      const json = { email: 'case@address.example', current_password: password };
      return { path: '/me/email', json, token: tokens.access_token };
    },
    'post /me/email/verify': async ({ server }) => {
      const { user, tokens } = await signIn(server);
      const { code } = await server.db.transaction((tx) =>
        issueCode(tx, keyring, {
          purpose: 'verify_email',
          user,
          address: `${user.username}@case.example`,
          request: user.id,
        }),
      );
      return { path: '/me/email/verify', json: { code }, token: tokens.access_token };
    },
  };
}

function userCases(): Record<string, Case> {
  const again = async ({ server, user }: Callers, form = {}) =>
    (await signIn(server, { ...user, form })).tokens;
  const deviceOf = async ({ server, user }: Callers, device_id: string) => {
    await again({ server, user } as Callers, { device_id });
    return (await rowOf(server.db('devices').where({ user_id: user.user.id, device_id }).first())).id;
  };
  return {
    'get /me': () => ({ path: '/me' }),
    'patch /me': async ({ server }) => {
      const { tokens, user } = await signIn(server);
      const json = { username: `${user.username}-new` };
      return { path: '/me', json, token: tokens.access_token };
    },
    ...addressCases(),
    'post /me/password': async ({ server }) => {
      const { tokens } = await signIn(server);
      const json = { current_password: password, new_password: 'another horse, another staple' };
      return { path: '/me/password', json, token: tokens.access_token };
    },
    'get /me/export': () => ({ path: '/me/export' }),
    'post /me/delete': async ({ server }) => {
      const { tokens } = await signIn(server);
      return { path: '/me/delete', json: { current_password: password }, token: tokens.access_token };
    },
    'post /recovery': ({ user }) => ({ path: '/recovery', json: { login: user.user.username } }),
    'post /recovery/complete': async ({ server }) => {
      const user = await makeUser(server.db);
      const { token } = await server.db.transaction((tx) =>
        issueCode(tx, keyring, { purpose: 'recover', user }),
      );
      return { path: '/recovery/complete', json: { token, new_password: 'another horse, another staple' } };
    },
    'get /sessions': () => ({ path: '/sessions?limit=2' }),
    'get /sessions/:id': ({ user }) => ({ path: `/sessions/${user.tokens.session_id}` }),
    'delete /sessions/:id': async (all) => ({ path: `/sessions/${(await again(all)).session_id}` }),
    'post /logout': async (all) => ({ path: '/logout', json: { session_id: (await again(all)).session_id } }),
    'get /devices': () => ({ path: '/devices' }),
    'get /devices/:id': async (all) => ({ path: `/devices/${await deviceOf(all, 'phone')}` }),
    'patch /devices/:id': async (all) => ({
      path: `/devices/${await deviceOf(all, 'phone')}`,
      json: { name: 'Another name' },
    }),
    'delete /devices/:id': async (all) => ({ path: `/devices/${await deviceOf(all, 'tablet')}` }),
    'get /consents': async (all) => ({ path: (await consentOf(all)) && '/consents' }),
    'delete /consents/:client_id': async (all) => ({ path: `/consents/${await consentOf(all)}` }),
    'get /browser-sessions': async (all) => ({ path: (await browserOf(all)) && '/browser-sessions' }),
    'post /sign-up': () => ({ path: '/sign-up', json: { email: newAddress(), password } }),
    'post /sign-up/complete': async ({ server }) => {
      const email = newAddress();
      const { sign_up_id } = (await requestSignUp(server, { email })).body;
      const [mail] = await mailsTo(server, email);
      return { path: '/sign-up/complete', json: { sign_up_id, code: mail?.code } };
    },
    'delete /browser-sessions/:id': async (all) => ({ path: `/browser-sessions/${await browserOf(all)}` }),
  };
}

/** Creates a consent of the user; returns its client. */
async function consentOf({ server, user }: Callers): Promise<string> {
  const { client_id } = await makeConfidentialClient(server, {
    client_name: 'Another app',
    first_party: false,
  });
  await addConsent(server.db, user.user.id, client_id, {
    openid: ['openid'],
    claims: [],
    resources: { 'https://orders.example.test/': ['orders:read'] },
  });
  return client_id;
}

/** A browser session of the user, by the id under which the user knows it. */
async function browserOf({ server, user }: Callers): Promise<string> {
  const id = randomBytes(32).toString('base64url');
  const now = new Date();
  await server.db('oidc_models').insert({
    model: 'Session',
    id: randomBytes(32).toString('base64url'),
    second_id: id,
    user_id: user.user.id,
    payload: json({}),
    created_at: now,
    expires_at: new Date(now.getTime() + 60_000),
  });
  return id;
}

function adminCases(): Record<string, Case> {
  const someone = async ({ server }: Callers) => (await makeUser(server.db)).id;
  const change =
    (verb: string, json: object = { reason: 'because' }): Case =>
    async (all) => ({ path: `/admin/users/${await someone(all)}/${verb}`, json });
  const someClient = async ({ server }: Callers) => (await makeConfidentialClient(server)).client_id;
  const someServer = async ({ server }: Callers) =>
    encodeURIComponent((await makeResourceServer(server)).identifier);
  return {
    'get /admin/users': () => ({ path: '/admin/users?limit=3&status=active' }),
    'post /admin/users': ({ server }) => ({
      path: '/admin/users',
      json: { username: `made-${server.store}`, email: `made@${server.store}.example`, roles: ['editor'] },
    }),
    'get /admin/users/:id': async (all) => ({ path: `/admin/users/${await someone(all)}` }),
    'patch /admin/users/:id': async (all) => ({
      path: `/admin/users/${await someone(all)}`,
      json: { roles: ['editor'], tenant_id: 'acme' },
    }),
    'post /admin/users/:id/ban': change('ban', { reason: 'because', expires_at: '2100-01-01T00:00:00Z' }),
    'post /admin/users/:id/unban': change('unban'),
    'post /admin/users/:id/disable': change('disable'),
    'post /admin/users/:id/enable': change('enable'),
    'post /admin/users/:id/delete': change('delete'),
    'post /admin/users/:id/force-logout': change('force-logout'),
    'post /admin/users/:id/password': change('password', { generate: true, reason: 'because' }),
    'post /admin/users/:id/recovery-link': change('recovery-link'),
    'post /admin/users/:id/unlock': change('unlock'),
    'get /admin/users/:id/sessions': ({ user }) => ({
      path: `/admin/users/${user.user.id}/sessions?limit=1`,
    }),
    'get /admin/sessions/:id': ({ user }) => ({ path: `/admin/sessions/${user.tokens.session_id}` }),
    'delete /admin/sessions/:id': async ({ server }) => ({
      path: `/admin/sessions/${(await signIn(server)).tokens.session_id}`,
    }),
    'get /admin/clients': () => ({ path: '/admin/clients?limit=2' }),
    'post /admin/clients': () => ({
      path: '/admin/clients',
      json: { client_name: 'Made', redirect_uris: ['https://made.example/callback'], scope: 'openid' },
    }),
    'get /admin/clients/:client_id': async (all) => ({ path: `/admin/clients/${await someClient(all)}` }),
    'patch /admin/clients/:client_id': async (all) => ({
      path: `/admin/clients/${await someClient(all)}`,
      json: { client_name: 'Renamed' },
    }),
    'delete /admin/clients/:client_id': async (all) => ({ path: `/admin/clients/${await someClient(all)}` }),
    'post /admin/clients/:client_id/secrets': async (all) => ({
      path: `/admin/clients/${await someClient(all)}/secrets`,
      json: { previous_expires_in: 3_600 },
    }),
    'delete /admin/clients/:client_id/secrets/:id': async (all) => {
      const path = `/admin/clients/${await someClient(all)}/secrets`;
      const { access_token } = all.admin.tokens;
      const { body } = await api(all.server, `POST ${path}`, access_token, { json: {} });
      return { path: `${path}/${body.id}` };
    },
    'get /admin/resource-servers': () => ({ path: '/admin/resource-servers' }),
    'post /admin/resource-servers': () => ({
      path: '/admin/resource-servers',
      json: { identifier: 'https://made.example/api', scope: 'a b', access_token_format: 'opaque' },
    }),
    'get /admin/resource-servers/:identifier': async (all) => ({
      path: `/admin/resource-servers/${await someServer(all)}`,
    }),
    'patch /admin/resource-servers/:identifier': async (all) => ({
      path: `/admin/resource-servers/${await someServer(all)}`,
      json: { name: 'Renamed' },
    }),
    'delete /admin/resource-servers/:identifier': async (all) => ({
      path: `/admin/resource-servers/${await someServer(all)}`,
    }),
    'get /admin/keys': () => ({ path: '/admin/keys' }),
    'post /admin/keys/rotate': () => ({ path: '/admin/keys/rotate', json: { force: true } }),
    'get /admin/stats': async ({ server: { db, databaseUrl: url } }) => {
      await countStatistics(db, { url });
      return { path: '/admin/stats' };
    },
    'get /admin/events': ({ user }) => ({ path: `/admin/events?limit=2&user_id=${user.user.id}` }),
  };
}

function outboxCases(): Record<string, Case> {
  return {
    'get /admin/outbox': async ({ server }) => {
      await makeMessage(server.db);
      return { path: '/admin/outbox?kind=mail&state=dead&limit=1' };
    },
    'post /admin/outbox/:id/retry': async ({ server }) => ({
      path: `/admin/outbox/${await makeMessage(server.db)}/retry`,
    }),
    'delete /admin/outbox/:id': async ({ server }) => ({
      path: `/admin/outbox/${await makeMessage(server.db)}`,
    }),
  };
}

function invitationCases(): Record<string, Case> {
  const invited = async ({ server, admin: { tokens } }: Callers) => {
    const json = { email: newAddress(), roles: ['editor'] };
    return String((await api(server, 'POST /admin/invitations', tokens.access_token, { json })).body.id);
  };
  return {
    'get /admin/invitations': async (all) => ({ path: (await invited(all)) && '/admin/invitations?limit=2' }),
    'post /admin/invitations': () => ({
      path: '/admin/invitations',
      json: { email: newAddress(), roles: ['editor'], expires_in: 3_600 },
    }),
    'post /admin/invitations/:id/send': async (all) => ({
      path: `/admin/invitations/${await invited(all)}/send`,
    }),
    'delete /admin/invitations/:id': async (all) => ({ path: `/admin/invitations/${await invited(all)}` }),
  };
}
