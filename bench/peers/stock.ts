// The peer `stock`: oidc-provider as its documentation describes it, on Postgres through Knex. Its own refresh grant with
// `rotateRefreshToken`, JWT access tokens by a resource server, and a password grant by `registerGrantType`.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';
import knex from 'knex';
import Provider, {
  type Configuration,
  errors,
  type ResourceServer,
  type TokenEndpointGrantContext,
} from 'oidc-provider';
import * as grants from 'oidc-provider/lib/helpers/grants.js';
import { api, machine, opaqueApi } from './parties.ts';
import { listen } from './serve.ts';
import { createAdapter, createPayloads } from './stock_adapter.ts';
import { strength } from './strength.ts';

const { DATABASE_URL = '', USERS, PASSWORD = '', CLIENT_ID = '' } = process.env;
const db = knex({ client: 'pg', connection: DATABASE_URL, pool: { min: 0, max: 10 } });

await createPayloads(db);
await db.schema.createTable('users', (table) => {
  table.uuid('id').primary();
  table.text('username').notNullable().unique();
  table.text('password').notNullable();
});
interface UserRow {
  id: string;
  username: string;
  password: string;
}

const stored = await hash(PASSWORD, strength);
await db<UserRow>('users').insert(
  Array.from({ length: Number(USERS) }, (_, n) => ({
    id: randomUUID(),
    username: `user-${n}`,
    password: stored,
  })),
);

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const resource = 'https://api.example.test/';

/** A resource server has JWTs, unless it is the one with opaque tokens. */
const serverOf = (identifier: string): ResourceServer => {
  const isOpaque = identifier === opaqueApi.resource;
  return {
    scope: isOpaque ? opaqueApi.scope : 'account',
    audience: identifier,
    accessTokenTTL: 900,
    ...(isOpaque
      ? { accessTokenFormat: 'opaque' }
      : { accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } }),
  };
};

const configuration: Configuration = {
  adapter: createAdapter(db),
  clients: [
    {
      client_id: CLIENT_ID,
      token_endpoint_auth_method: 'none',
      grant_types: ['password', 'refresh_token'],
      redirect_uris: [],
      response_types: [],
      id_token_signed_response_alg: 'ES256',
    },
    ...[api, machine].map((one) => ({
      ...one,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      id_token_signed_response_alg: 'ES256' as const,
    })),
  ],
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig' }] },
  cookies: { keys: [randomUUID()] },
  rotateRefreshToken: true,
  issueRefreshToken: async () => true,
  scopes: ['account'],
  ttl: { AccessToken: 900, RefreshToken: 2_592_000, Grant: 2_592_000 },
  async findAccount(_ctx, id) {
    const user = await db('users').where({ id }).first('id');
    return user && { accountId: id, claims: async () => ({ sub: id }) };
  },
  features: {
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      useGrantedResource: () => true,
      getResourceServerInfo: (_ctx, identifier) => serverOf(identifier),
    },
    clientCredentials: { enabled: true },
    dPoP: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
  },
};

type Parameters = { username?: string; password?: string; scope?: string; resource?: string };

async function passwordGrant(ctx: TokenEndpointGrantContext<Parameters>): Promise<void> {
  const { client, params, provider } = ctx.oidc;
  const dPoP = await grants.validateDpop(provider, ctx);
  const user = await db<UserRow>('users')
    .where({ username: String(params.username) })
    .first();
  const isRight = user && (await verify(user.password, String(params.password)));
  if (!isRight) throw new errors.InvalidGrant('wrong username or password');
  const asked = params.resource ?? resource;
  const server = serverOf(asked);
  const scope = params.scope ?? 'account';
  const grant = new provider.Grant({ accountId: user.id, clientId: client.clientId });
  grant.addResourceScope(asked, server.scope);
  grant.addOIDCScope('openid');
  const grantId = await grant.save();
  const common = { client, accountId: user.id, grantId, gty: 'password', scope };
  const accessToken = new provider.AccessToken(common);
  accessToken.resourceServer = new provider.ResourceServer(asked, server);
  const refreshToken = new provider.RefreshToken({ ...common, resource: asked });
  if (dPoP) Object.assign(accessToken, { jkt: dPoP.thumbprint });
  if (dPoP) Object.assign(refreshToken, { jkt: dPoP.thumbprint });
  ctx.body = {
    access_token: await accessToken.save(),
    token_type: accessToken.tokenType,
    expires_in: 900,
    refresh_token: await refreshToken.save(),
    scope,
  };
}

listen(
  (url) => {
    const provider = new Provider(url, configuration);
    provider.registerGrantType('password', passwordGrant, ['username', 'password', 'scope', 'resource']);
    return provider.callback();
  },
  () => db.destroy(),
);
