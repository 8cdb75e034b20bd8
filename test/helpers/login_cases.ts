// Logins by password: each kind of token, each client, each way to authenticate, each oddity of user and form, with its answer.
import type { NewUser } from '../../src/core/users/user_changes.ts';
import type { Form, RequestOptions } from './client.ts';
import { kinds, ofClients, ofWays, ofWaysOfPublicClients } from './login_kinds.ts';
import { type ClientName, opaque, orders, page, type Way } from './twin_clients.ts';
import { ownApi } from './twins.ts';

/** A login and the state of its user. */
export interface Login {
  client?: ClientName;
  way?: Way;
  user?: Partial<NewUser>;
  /** Columns of the user's row. */
  row?: Record<string, unknown>;
  form?: Form;
  question?: RequestOptions;
  /** Whether the direct entrance must answer; undefined where either may. */
  fast?: boolean;
  /** Claims of a DPoP proof that is sent along. */
  proof?: Record<string, unknown>;
}

export interface LoginCase extends Login {
  /** The answer in one line, see `summaryOf`. */
  answer: string;
}

const soon = new Date(Date.now() + 3_600_000);
/** A device as a client describes it. */
export const device = {
  device_id: 'phone',
  device_name: 'Pixel',
  platform: 'android',
  app_version: '1.2',
  push_token: 'p',
};

/** The cases by title. */
export const loginCases: Record<string, LoginCase> = {
  'nothing special': {
    answer: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
    fast: true,
  },
  'roles, permissions and a tenant': {
    answer: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
    fast: true,
    user: { roles: ['a', 'admin'], permissions: ['b'], tenant_id: 'c', email: 'x@example.test' },
  },
  'a wrong password': {
    answer: '400 invalid_grant: Wrong username or password.',
    fast: true,
    form: { password: 'not the password' },
  },
  'an unknown username': {
    answer: '400 invalid_grant: Wrong username or password.',
    fast: true,
    form: { username: 'no such user' },
  },
  'a name with NUL': {
    answer: '400 invalid_grant: Wrong username or password.',
    form: { username: 'no\0body' },
  },
  'a banned user': {
    answer: '400 invalid_grant (account_banned): Ask the office.',
    fast: true,
    row: { status: 'banned', status_message: 'Ask the office.' },
  },
  'a user banned until soon': {
    answer: '400 invalid_grant (account_banned): The account is banned.',
    fast: true,
    row: { status: 'banned', ban_expires_at: soon },
  },
  'a user banned until now': {
    answer: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
    fast: true,
    row: { status: 'banned', ban_expires_at: new Date(0) },
  },
  'a disabled user': {
    answer: '400 invalid_grant (account_disabled): The account is disabled.',
    fast: true,
    row: { status: 'disabled' },
  },
  'a banned user and a wrong password': {
    answer: '400 invalid_grant: Wrong username or password.',
    fast: true,
    row: { status: 'banned' },
    form: { password: 'x' },
  },
  'a user without a password': {
    answer: '400 invalid_grant: Wrong username or password.',
    fast: true,
    row: { password_hash: null },
  },
  'a device': {
    answer: 'Bearer JWT for https://id.example.test/api: account, refresh_token, device_secret',
    fast: true,
    form: device,
  },
  'a device with a bad name': {
    answer: 'Bearer JWT for https://id.example.test/api: account, refresh_token, device_secret',
    fast: true,
    form: { ...device, device_name: 'a\u0007b' },
  },
  'a device with a long description': {
    answer: 'Bearer JWT for https://id.example.test/api: account, refresh_token, device_secret',
    fast: true,
    form: { ...device, device_name: 'x'.repeat(300), platform: 'x'.repeat(300), app_version: '\0' },
  },
  'a device with an unknown secret': {
    answer: 'Bearer JWT for https://id.example.test/api: account, refresh_token, device_secret',
    fast: true,
    form: { ...device, device_secret: 'x'.repeat(22) },
  },
  'a device with a malformed secret': {
    answer: 'Bearer JWT for https://id.example.test/api: account, refresh_token, device_secret',
    fast: true,
    form: { ...device, device_secret: 'a\0b' },
  },
  'a secret without a device': {
    answer: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
    fast: true,
    form: { device_secret: 'x'.repeat(22) },
  },
  'a device that is too long': {
    answer: '400 invalid_request: device_id: must have at most 200 characters',
    fast: true,
    form: { device_id: 'x'.repeat(300) },
  },
  'the scope account': {
    answer: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
    fast: true,
    form: { scope: 'account' },
  },
  'a scope twice': {
    answer: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
    form: { scope: 'account account' },
  },
  'profile and email': {
    answer: 'Bearer JWT for https://id.example.test/api: profile email account, refresh_token',
    fast: true,
    form: { scope: 'profile account email' },
  },
  offline_access: {
    answer: 'Bearer JWT for https://id.example.test/api: offline_access account, refresh_token',
    fast: true,
    form: { scope: 'offline_access account' },
  },
  openid: {
    answer:
      'Bearer JWT for https://id.example.test/api: openid account, ID token with amr,aud,auth_time,exp,iat,iss,sid,sub, refresh_token',
    fast: true,
    form: { scope: 'openid account' },
  },
  admin: {
    answer:
      '400 invalid_scope: The scope admin is unknown or not allowed here. It needs a first-party client whose registered scope has it, and a user with the role admin.',
    fast: true,
    form: { scope: 'account admin' },
  },
  'admin, of a client that may': {
    answer: '400 invalid_scope: The scope admin is for users with the role admin.',
    client: 'administrative',
    fast: true,
    form: { scope: 'admin' },
  },
  'an unknown scope': {
    answer:
      '400 invalid_scope: The scope everything is unknown or not allowed here. A scope of an API needs that API in the parameter resource.',
    fast: true,
    form: { scope: 'account everything' },
  },
  'a scope that only another API has': {
    answer: 'Bearer JWT for https://orders.example.test/: orders:read, refresh_token',
    fast: true,
    form: { scope: 'orders:read' },
  },
  'a malformed scope': {
    answer: '400 invalid_scope: scope contains invalid characters',
    fast: false,
    form: { scope: 'account  "x"' },
  },
  'blanks for a scope': {
    answer: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
    fast: false,
    form: { scope: ' ' },
  },
  'our own API named': {
    answer: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
    fast: true,
    form: { resource: ownApi },
  },
  'another API': {
    answer: 'Bearer JWT for https://orders.example.test/: orders:read, refresh_token',
    fast: true,
    form: { resource: orders, scope: 'orders:read' },
  },
  'an API of opaque tokens': {
    answer: 'Bearer opaque: opaque:read, refresh_token',
    fast: true,
    form: { resource: opaque },
  },
  'no password': {
    answer: '400 invalid_request: missing required parameter(s): password',
    fast: true,
    form: { password: undefined },
  },
  'an empty password': {
    answer: '400 invalid_request: missing required parameter(s): password',
    fast: false,
    form: { password: '' },
  },
  'no username': {
    answer: '400 invalid_request: missing required parameter(s): username',
    fast: true,
    form: { username: undefined },
  },
  'two usernames': {
    answer: "400 invalid_request: 'username' parameter must not be provided twice",
    fast: false,
    form: { username: ['a', 'b'] },
  },
  'an unknown parameter': {
    answer: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
    fast: false,
    form: { state: 'x' },
  },
  'a registered origin': {
    answer: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
    client: 'spa',
    fast: true,
    question: { headers: { Origin: page } },
  },
  'a registered origin and a wrong password': {
    answer: '400 invalid_grant: Wrong username or password.',
    client: 'spa',
    fast: true,
    form: { password: 'wrong' },
    question: { headers: { Origin: page } },
  },
  'another origin': {
    answer: '400 invalid_request: origin https://evil.test not allowed for client: spa',
    client: 'spa',
    fast: false,
    question: { headers: { Origin: 'https://evil.test' } },
  },
  'a malformed proof': {
    answer: '400 invalid_dpop_proof: invalid DPoP key binding',
    fast: true,
    question: { headers: { DPoP: 'x' } },
  },
  ...kinds,
  'a chunked body': {
    answer: 'Bearer JWT for https://id.example.test/api: account, refresh_token',
    fast: false,
    question: { chunked: true },
  },
};

for (const [client, answer] of Object.entries(ofClients))
  loginCases[`the client ${client}`] = { answer, client: client as ClientName };
for (const [way, answer] of Object.entries(ofWays))
  loginCases[`the way ${way}`] = { answer, client: 'basic', way: way as Way };
for (const [way, answer] of Object.entries(ofWaysOfPublicClients))
  loginCases[`the way ${way} of a public client`] = { answer, client: 'strict', way: way as Way };
