// The clients and resource servers of the differential tests: every kind that the two ways could treat differently.
import { generateKeyPairSync } from 'node:crypto';
import { SignJWT } from 'jose';
import type { Knex } from 'knex';
import type { NewClient } from '../../src/core/clients/client_metadata.ts';
import { newClientSecret } from '../../src/core/clients/client_secrets.ts';
import { createClient } from '../../src/core/clients/clients.ts';
import { createResourceServer } from '../../src/core/clients/resource_servers.ts';
import { newId } from '../../src/lib/ids.ts';
import { issuer } from './twins.ts';

export const orders = 'https://orders.example.test/';
export const quick = 'https://quick.example.test/';
export const opaque = 'https://opaque.example.test/';
export const unregistered = 'https://unregistered.example.test/';

/** A self-signed certificate (DER, base64), valid for a hundred years, as a proxy forwards it (RFC 9440). */
export const certificate =
  ':MIIBgjCCASegAwIBAgIUK5ys/Je0UGCdpn0mUAYkYGS97ZQwCgYIKoZIzj0EAwIwFTETMBEGA1UEAwwKY2xpZW50IG9uZTAgFw0yNjExMjEwOTU0MTZaGA8yMTI2MTAyODA5NTQxNlowFTETMBEGA1UEAwwKY2xpZW50IG9uZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJTRfuqMgNUyMd60XI7sFn3nQ/iU6lBKxRm3nr/G6izbEer4S8V9sLRrworYWMTHw8shQ9HyBqmNp5qAqPiMBI+jUzBRMB0GA1UdDgQWBBSzLqc6n7eLjNdmXNPoEdL5gEgEuzAfBgNVHSMEGDAWgBSzLqc6n7eLjNdmXNPoEdL5gEgEuzAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQDPdgAIcbI7B6gbPxuxdhBxii16oqRxfkcQ+Hp1twf4BwIhAOT6Vvjcrb8jyxMZy5S7M7Q0EzahoLqClUqrroF5mkJg:';

export const page = 'https://app.example.test';
export const redirectPage = 'https://third.example.test';

/** A secret of characters that need no encoding, and one of characters that do. */
export const secrets = {
  plain: 'a-secret:with~every.sort_of=character!',
  odd: 'a-secret+with%odd&=characters:',
  second: 'the-second-of-two-secrets',
};

const ours = { first_party: true } as const;
const secret = { client_secret: secrets.plain };
const basic = { token_endpoint_auth_method: 'client_secret_basic' } as const;
const post = { token_endpoint_auth_method: 'client_secret_post' } as const;
const none = { token_endpoint_auth_method: 'none' } as const;

const key = generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** The clients by name, which is their id. */
const definitions = {
  strict: { ...ours, ...none },
  spa: { ...ours, ...none, rotation_profile: 'spa', allowed_origins: [page] },
  mobile: { ...ours, ...none, rotation_profile: 'mobile', refresh_token_retry_window: 600 },
  observe: { ...ours, ...none, rotation_profile: 'observe' },
  bound: { ...ours, ...none, scope: 'openid account orders:read' },
  administrative: { ...ours, ...none, scope: 'openid account admin orders:read orders:write' },
  hasty: { ...ours, ...none, access_token_ttl: 61, session_idle_ttl: 300 },
  loginOnly: { ...ours, ...none, grant_types: ['password'] },
  proving: { ...ours, ...none, dpop_bound_access_tokens: true },
  certified: { ...ours, ...none, tls_client_certificate_bound_access_tokens: true },
  basic: { ...ours, ...basic, ...secret, allowed_origins: [page] },
  post: { ...ours, ...post, ...secret },
  twice: { ...ours, ...basic, ...secret },
  odd: { ...ours, ...post, client_secret: secrets.odd },
  expired: { ...ours, ...post, ...secret },
  keyed: {
    ...ours,
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [{ ...key.publicKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig' }] },
  },
  third: { ...basic, ...secret, redirect_uris: [`${redirectPage}/callback`], scope: 'orders:read profile' },
  itself: { ...post, ...secret, redirect_uris: [`${redirectPage}/callback`] },
  document: { ...ours, ...none },
  notified: { ...ours, ...post, ...secret, backchannel_logout_uri: `${page}/logout` },
  gateway: { ...post, ...secret, grant_types: ['client_credentials'], resource_server: '*' },
  orders: { ...basic, ...secret, grant_types: ['client_credentials'], resource_server: orders },
  others: { ...basic, ...secret, grant_types: ['client_credentials'], resource_server: quick },
  machine: {
    ...post,
    ...secret,
    grant_types: ['client_credentials'],
    scope: 'openid orders:read quick:read opaque:read account',
  },
  robot: {
    ...ours,
    ...basic,
    ...secret,
    grant_types: ['client_credentials'],
    scope: 'account admin orders:read',
    default_resource: orders,
    access_token_ttl: 99,
  },
  provingRobot: {
    ...post,
    ...secret,
    grant_types: ['client_credentials'],
    scope: 'orders:read',
    dpop_bound_access_tokens: true,
  },
  certifiedRobot: {
    ...post,
    ...secret,
    grant_types: ['client_credentials'],
    scope: 'orders:read',
    tls_client_certificate_bound_access_tokens: true,
  },
} satisfies Record<string, NewClient>;

export type ClientName = keyof typeof definitions;

export const clientNames = Object.keys(definitions) as ClientName[];

/** Creates the clients and resource servers. */
export async function createTwinClients(db: Knex): Promise<void> {
  await createResourceServer(db, { identifier: orders, scope: 'orders:read orders:write' });
  await createResourceServer(db, { identifier: quick, scope: 'quick:read', access_token_ttl: 77 });
  await createResourceServer(db, { identifier: opaque, scope: 'opaque:read', access_token_format: 'opaque' });
  for (const [client_id, given] of Object.entries(definitions))
    await createClient(db, { client_id, rotation_profile: 'strict', ...given });
  const change = (client_id: ClientName, row: object) => db('clients').where({ client_id }).update(row);
  const over = new Date(Date.now() - 1000);
  const [old, first, second] = [
    newClientSecret(secrets.plain, over),
    newClientSecret(secrets.plain),
    newClientSecret(secrets.second),
  ];
  await change('twice', { secrets: JSON.stringify([second.stored, first.stored]) });
  await change('expired', { secrets: JSON.stringify([old.stored]) });
  await change('itself', { registered_by: 'itself' });
  await change('document', { registered_by: 'document' });
}

/** The headers and parameters that authenticate a client. */
export interface Proof {
  form: Record<string, string>;
  headers: Record<string, string>;
}

export const ways = [
  'registered',
  'registered',
  'registered',
  'basic',
  'post',
  'name',
  'wrong basic',
  'wrong post',
  'second',
  'both',
  'mismatch',
  'named basic',
  'encoded',
  'half encoded',
  'malformed',
  'unpadded',
  'bearer',
  'nobody',
  'unknown',
  'another',
  'nul',
  'empty header',
  'empty secret',
] as const;

export type Way = (typeof ways)[number];

/** How the client authenticates in each of the ways. */
export async function proofOf(name: ClientName, way: Way): Promise<Proof> {
  const definition: NewClient = definitions[name];
  const right = definition.client_secret ?? 'no secret at all';
  const client_id = name;
  const byBasic = (value: string, form = {}) => ({ form, headers: { Authorization: `Basic ${value}` } });
  const encoded = (a: string, b: string) => Buffer.from(`${a}:${b}`).toString('base64');
  const inForm = (form: Record<string, string>) => ({ form, headers: {} });
  switch (way) {
    case 'registered':
      return await registeredProof(name, definition);
    case 'basic':
      return byBasic(encoded(client_id, right));
    case 'post':
      return inForm({ client_id, client_secret: right });
    case 'name':
      return inForm({ client_id });
    case 'wrong basic':
      return byBasic(encoded(client_id, `${right}x`));
    case 'wrong post':
      return inForm({ client_id, client_secret: right.slice(1) });
    case 'second':
      return inForm({ client_id, client_secret: secrets.second });
    case 'both':
      return byBasic(encoded(client_id, right), { client_id, client_secret: right });
    case 'mismatch':
      return byBasic(encoded(client_id, right), { client_id: 'gateway2' });
    case 'named basic':
      return byBasic(encoded(client_id, right), { client_id });
    case 'encoded':
      return byBasic(encoded(encodeURIComponent(client_id), encodeURIComponent(right)));
    case 'half encoded':
      return byBasic(encoded(client_id, `${right.slice(1)}%`));
    case 'malformed':
      return byBasic(`${encoded(client_id, right)}*`);
    case 'unpadded':
      return byBasic(encoded(client_id, right).replace(/=*$/, ''));
    case 'bearer':
      return { form: { client_id }, headers: { Authorization: `Bearer ${right}` } };
    case 'nobody':
      return inForm({});
    case 'unknown':
      return inForm({ client_id: 'nobody-of-this-name', client_secret: right });
    case 'another':
      return inForm({ client_id: name === 'strict' ? 'spa' : 'strict' });
    case 'nul':
      return inForm({ client_id: `${client_id}\0`, client_secret: right });
    case 'empty header':
      return { form: { client_id }, headers: { Authorization: '' } };
    case 'empty secret':
      return inForm({ client_id, client_secret: '' });
  }
}

async function registeredProof(
  client_id: ClientName,
  { token_endpoint_auth_method: method, client_secret = '' }: NewClient,
): Promise<Proof> {
  if (method === 'client_secret_basic') {
    const pair = [client_id, client_secret].map((part) => encodeURIComponent(part).replaceAll('%20', '+'));
    return {
      form: {},
      headers: { Authorization: `Basic ${Buffer.from(pair.join(':')).toString('base64')}` },
    };
  }
  if (method === 'client_secret_post') return { form: { client_id, client_secret }, headers: {} };
  if (method === 'none') return { form: { client_id }, headers: {} };
  const client_assertion = await new SignJWT({ jti: newId() })
    .setProtectedHeader({ alg: 'ES256' })
    .setIssuer(client_id)
    .setSubject(client_id)
    .setAudience(issuer)
    .setIssuedAt()
    .setExpirationTime('60s')
    .sign(key.privateKey);
  return {
    form: {
      client_id,
      client_assertion,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    },
    headers: {},
  };
}
