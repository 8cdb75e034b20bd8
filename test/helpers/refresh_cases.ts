// Generated refreshes: a plain one with up to three oddities, so that a failure shrinks to the oddity that matters.
import { fc } from './fuzzing.ts';
import { oddForms, oddHeaders, oddTypes } from './odd_requests.ts';
import {
  type ClientName,
  clientNames,
  opaque,
  orders,
  quick,
  unregistered,
  type Way,
  ways,
} from './twin_clients.ts';
import { ownCertificate, ownThumbprint } from './twin_proofs.ts';
import { ownApi } from './twins.ts';

const presentations = [
  'current',
  'current again',
  'predecessor',
  'older',
  'higher',
  'tampered',
  'another',
  'other key',
  'unknown key',
  'garbage',
  'empty',
  'missing',
  'twice',
  'padded',
  'jwt',
] as const;

export type Presentation = (typeof presentations)[number];

export interface RefreshCase {
  client: ClientName;
  way: Way;
  /** Changes to the user's row. */
  roles: string[];
  permissions: string[];
  tenant_id: string | null;
  status: 'active' | 'banned' | 'banned for a while' | 'banned until now' | 'disabled' | 'deleted';
  token_version: number;
  /** Changes to the session's row. */
  scope: string | null;
  resource: string | string[] | null;
  grant: 'all' | 'claims' | 'nothing' | 'less' | 'openid alone' | 'resource alone' | 'repeated' | 'spaced';
  extra: Record<string, unknown>;
  age: 'fresh' | 'idle too long' | 'too old' | 'nearly too old';
  ended: boolean;
  generation: number;
  rotated: 'never' | 'now' | 'long ago';
  /** The presented tokens, in order. */
  presented: Presentation[];
  form: Record<string, string | string[]>;
  headers: Record<string, string>;
  /** The DPoP proof of each request. */
  prove: 'no' | 'own key' | 'other key' | 'same proof' | 'old proof' | 'proof for another URL';
  /** The client certificate that the proxy forwards. */
  certificate: 'no' | 'own' | 'other';
  type: string | null;
  method: string;
  chunked: boolean;
  path: string;
}

export const plainCase: RefreshCase = {
  client: 'strict',
  way: 'registered',
  roles: [],
  permissions: [],
  tenant_id: null,
  status: 'active',
  token_version: 0,
  scope: 'account',
  resource: ownApi,
  grant: 'all',
  extra: {},
  age: 'fresh',
  ended: false,
  generation: 0,
  rotated: 'never',
  presented: ['current'],
  form: {},
  headers: {},
  prove: 'no',
  certificate: 'no',
  type: 'application/x-www-form-urlencoded',
  method: 'POST',
  chunked: false,
  path: '/token',
};

const word = fc.constantFrom(
  'account',
  'admin',
  'orders:read',
  'orders:write',
  'quick:read',
  'opaque:read',
  'profile',
  'email',
  'offline_access',
  'openid',
  'unknown',
  'constructor',
);
const scopes = fc.array(word, { maxLength: 6 }).map((words) => words.join(' '));

const openidScopes = fc.constantFrom(
  'openid',
  'openid account',
  'openid profile email account',
  'openid profile offline_access orders:read',
  'openid account opaque:read',
);

const proofs = ['own key', 'other key', 'same proof', 'old proof', 'proof for another URL'] as const;

const bindings: Record<string, unknown>[] = [
  {},
  { dpop: true },
  { jkt: ownThumbprint },
  { 'x5t#S256': ownCertificate.thumbprint },
];

const askedForms: Record<string, string | string[]>[] = [
  {},
  { scope: 'openid' },
  { scope: 'openid profile' },
  { scope: 'account' },
  { scope: 'account opaque:read' },
  { resource: opaque },
  { resource: orders },
  { resource: [ownApi, orders] },
  { resource: ownApi, scope: 'openid account' },
];

const extras: Record<string, unknown>[] = [
  { dpop: true },
  { jkt: 'A'.repeat(43) },
  { jkt: ownThumbprint },
  { 'x5t#S256': 'B'.repeat(43) },
  { 'x5t#S256': ownCertificate.thumbprint },
  { claims: { id_token: { auth_time: null, amr: null } } },
  {
    claims: { id_token: { email: null, preferred_username: { essential: true }, acr: null, unknown: null } },
  },
  { claims: { userinfo: { email: { essential: true } } }, nonce: 'a nonce' },
  { acr: 'urn:kindred:acr:password', amr: ['pwd', 'otp'] },
  { authTime: 1_700_000_000 },
  { authTime: undefined },
  { gty: 'authorization_code' },
  { gty: 'password refresh_token' },
  { gty: undefined },
  { sid: undefined },
  { sid: 'another session' },
  { expiresWithSession: false },
  { sessionUid: 'a browser session' },
  { attestationJkt: 'C'.repeat(43) },
  { iiat: 1 },
  { somethingNew: 1 },
];

const twists: fc.Arbitrary<Partial<RefreshCase>>[] = [
  fc.record({ client: fc.constantFrom(...clientNames) }),
  fc.record({ client: fc.constantFrom(...clientNames) }),
  fc.record({ client: fc.constantFrom(...clientNames), way: fc.constantFrom(...ways) }),
  fc.record({ way: fc.constantFrom(...ways) }),
  fc.record({
    roles: fc.constantFrom([], ['admin'], ['editor', 'admin'], ['editor']),
    permissions: fc.constantFrom([], ['read', 'write']),
    tenant_id: fc.constantFrom(null, 'tenant-1', 'Zo\u00eb'),
    token_version: fc.constantFrom(0, 3),
  }),
  fc.record({
    client: fc.constant('administrative' as const),
    scope: scopes,
    roles: fc.constantFrom([], ['admin']),
  }),
  fc.record({
    status: fc.constantFrom('banned', 'banned for a while', 'banned until now', 'disabled', 'deleted'),
  }),
  fc.record({ scope: fc.option(scopes, { freq: 8 }) }),
  fc.record({
    scope: fc.option(scopes, { freq: 8 }),
    resource: fc.constantFrom(
      null,
      orders,
      quick,
      opaque,
      unregistered,
      [],
      [ownApi],
      [orders, ownApi],
      [ownApi, orders],
      '',
    ),
  }),
  fc.record({
    scope: fc.constantFrom('orders:read', 'orders:write orders:read', 'quick:read'),
    resource: fc.constantFrom(orders, quick),
  }),
  fc.record({
    scope: scopes,
    grant: fc.constantFrom(
      'nothing',
      'less',
      'openid alone',
      'resource alone',
      'repeated',
      'spaced',
      'claims',
    ),
  }),
  fc.record({ extra: fc.constantFrom(...extras) }),
  fc.record({ extra: fc.constantFrom(...extras), scope: openidScopes }),
  fc.record({ prove: fc.constantFrom(...proofs) }),
  fc.record({ prove: fc.constantFrom(...proofs), extra: fc.constantFrom(...bindings) }),
  fc.record({ certificate: fc.constantFrom('own', 'other'), extra: fc.constantFrom(...bindings) }),
  fc.record({ scope: openidScopes, client: fc.constantFrom('strict', 'third', 'itself', 'bound', 'keyed') }),
  fc.record({
    scope: openidScopes,
    resource: fc.constantFrom(null, ownApi, opaque, [orders, ownApi, opaque]),
    form: fc.constantFrom(...askedForms),
  }),
  fc.record({ grant: fc.constant('claims'), scope: openidScopes, extra: fc.constantFrom(...extras) }),
  fc.record({ age: fc.constantFrom('idle too long', 'too old', 'nearly too old') }),
  fc.record({ ended: fc.constant(true) }),
  fc.record({ generation: fc.integer({ min: 1, max: 3 }), rotated: fc.constantFrom('now', 'long ago') }),
  fc.record({
    generation: fc.integer({ min: 1, max: 3 }),
    rotated: fc.constantFrom('now', 'long ago'),
    presented: fc.array(fc.constantFrom(...presentations), { minLength: 1, maxLength: 3 }),
  }),
  fc.record({ presented: fc.array(fc.constantFrom(...presentations), { minLength: 1, maxLength: 3 }) }),
  fc.record({ form: fc.constantFrom(...oddForms) }),
  fc.record({ headers: fc.constantFrom(...oddHeaders) }),
  fc.record({ type: fc.constantFrom(...oddTypes) }),
  fc.constantFrom(
    { method: 'GET' },
    { method: 'PUT' },
    { chunked: true },
    { path: '/token/' },
    { path: '/token?client_id=x' },
    { path: '/TOKEN' },
    { path: '//token' },
  ),
];

/** A plain refresh, or one with some oddities. */
export const refreshCase: fc.Arbitrary<RefreshCase> = fc
  .array(fc.oneof(...twists), { maxLength: 3 })
  .map((chosen) => Object.assign({}, plainCase, ...chosen) as RefreshCase);

const alone: Partial<RefreshCase>[] = [
  ...oddForms.map((form) => ({ form })),
  ...oddHeaders.map((headers) => ({ headers })),
  ...oddTypes.map((type) => ({ type })),
  ...extras.map((extra) => ({ extra })),
  ...presentations.map((one) => ({ presented: [one], generation: 2, rotated: 'now' as const })),
  ...clientNames.map((client) => ({ client })),
  ...ways.flatMap((way) => (['strict', 'basic', 'odd', 'twice'] as const).map((client) => ({ client, way }))),
];

/** Every oddity alone; each run tries them. */
export const oddRefreshes: [RefreshCase][] = [
  [plainCase],
  ...proofs.map((prove): [RefreshCase] => [{ ...plainCase, prove, presented: ['current', 'current'] }]),
  ...alone.map((twist): [RefreshCase] => [{ ...plainCase, ...twist }]),
];
