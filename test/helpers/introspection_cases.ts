// Generated introspections: a kind of caller, a kind of token, and oddities of the request.
import { fc } from './fuzzing.ts';
import { storedKinds } from './odd_opaque_tokens.ts';
import { oddForms, oddHeaders, oddTypes } from './odd_requests.ts';
import { type ClientName, clientNames, opaque, orders, quick, type Way, ways } from './twin_clients.ts';
import { ownApi } from './twins.ts';

const kinds = [
  'engine',
  'fast',
  'signed',
  'client',
  'opaque',
  ...storedKinds,
  'refresh',
  'old refresh',

  'foreign',
  'unsigned',
  'hmac',
  'resigned',
  'other issuer',
  'other type',
  'expired',
  'not yet',
  'no exp',
  'no jti',
  'no session',
  'no uuid',
  'other session',
  'many audiences',
  'bound',
  'certified',
  'tampered',
  'signature',
  'padded',
  'garbage',
  'empty',
  'missing',
  'twice',
  'nul',
] as const;

export type Kind = (typeof kinds)[number];

const fates = [
  'live',
  'ended',
  'idle too long',
  'too old',
  'banned',
  'banned until now',
  'disabled',
  'deleted',
  'revoked',
  'newer version',
  'other client',
] as const;

export interface IntrospectionCase {
  caller: ClientName;
  way: Way;
  kind: Kind;
  /** The client and the API of the token. */
  client: ClientName;
  aud: string;
  /** What has happened to the token since. */
  fate: (typeof fates)[number];
  /** The number of requests to each app: the second answer may come from a cache that the first filled. */
  times: number;
  form: Record<string, string | string[]>;
  headers: Record<string, string>;
  type: string | null;
  method: string;
  chunked: boolean;
  path: string;
}

export const plainIntrospection: IntrospectionCase = {
  caller: 'gateway',
  way: 'registered',
  kind: 'signed',
  client: 'strict',
  aud: ownApi,
  fate: 'live',
  times: 1,
  form: {},
  headers: {},
  type: 'application/x-www-form-urlencoded',
  method: 'POST',
  chunked: false,
  path: '/introspect',
};

const caller = fc.constantFrom<ClientName>(
  'gateway',
  'orders',
  'others',
  'basic',
  'post',
  'strict',
  'keyed',
  ...clientNames,
);
const aud = fc.constantFrom(ownApi, orders, quick, opaque);

const forms: Record<string, string | string[]>[] = [
  ...oddForms,
  { token_type_hint: 'access_token' },
  { token_type_hint: 'refresh_token' },
  { token_type_hint: 'nonsense' },
  { token_type_hint: '' },
  { token_type_hint: ['access_token', 'access_token'] },
  { token_type_hint: 'x'.repeat(50_000) },
  { token_type_hint: 'x'.repeat(60_000) },
  { token_type_hint: '\0' },
  { grant_type: 'refresh_token' },
];

const twists: fc.Arbitrary<Partial<IntrospectionCase>>[] = [
  fc.record({ caller }),
  fc.record({ caller, aud }),
  fc.record({ caller, way: fc.constantFrom(...ways) }),
  fc.record({ way: fc.constantFrom(...ways) }),
  fc.record({
    caller: fc.constantFrom<ClientName>('basic', 'post'),
    client: fc.constantFrom<ClientName>('basic', 'post', 'third'),
  }),
  fc.record({ kind: fc.constantFrom(...kinds) }),
  fc.record({ kind: fc.constantFrom(...kinds), caller, aud }),
  fc.record({ fate: fc.constantFrom(...fates) }),
  fc.record({ fate: fc.constantFrom(...fates), times: fc.constantFrom(1, 2) }),
  fc.record({ client: fc.constantFrom(...clientNames) }),
  fc.record({ times: fc.constant(2) }),
  fc.record({ form: fc.constantFrom(...forms) }),
  fc.record({ headers: fc.constantFrom(...oddHeaders) }),
  fc.record({ type: fc.constantFrom(...oddTypes) }),
  fc.constantFrom(
    { method: 'GET' },
    { method: 'PUT' },
    { chunked: true },
    { path: '/introspect/' },
    { path: '/introspect?token=x' },
    { path: '/Introspect' },
  ),
];

/** A plain introspection, or one with some twists. */
export const introspectionCase: fc.Arbitrary<IntrospectionCase> = fc
  .array(fc.oneof(...twists), { maxLength: 3 })
  .map((chosen) => Object.assign({}, plainIntrospection, ...chosen) as IntrospectionCase);

const alone: Partial<IntrospectionCase>[] = [
  {},
  ...forms.map((form) => ({ form })),
  ...oddHeaders.map((headers) => ({ headers })),
  ...oddTypes.map((type) => ({ type })),
  ...kinds.map((kind) => ({ kind })),
  ...fates.flatMap((fate) => [1, 2].map((times) => ({ fate, times }))),
  ...clientNames.map((name) => ({ caller: name })),
  ...[ownApi, orders, quick].flatMap((one) =>
    (['orders', 'others'] as const).map((name) => ({ caller: name, aud: one })),
  ),
  ...ways.flatMap((way) =>
    (['gateway', 'orders'] as const).map((name) => ({ caller: name, aud: orders, way })),
  ),
];

/** Every oddity alone; each run tries them. */
export const oddIntrospections: [IntrospectionCase][] = alone.map((twist) => [
  { ...plainIntrospection, ...twist },
]);
