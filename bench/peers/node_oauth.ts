// The peer `node_oauth`: @node-oauth/oauth2-server with a Postgres model as in its documentation and its example: a row per
// token; a refresh deletes the presented token and inserts a new one. Access tokens are JWTs, made in the library's hook.
// They are stored, as the model requires, and found by the refresh token alone.
import { randomUUID } from 'node:crypto';
import OAuth2Server from '@node-oauth/oauth2-server';
import { hash, verify } from '@node-rs/argon2';
import Koa, { type Context } from 'koa';
import { koaBody } from 'koa-body';
import pg from 'pg';
import { jwks, signToken } from './jwt.ts';
import { machine } from './parties.ts';
import { listen } from './serve.ts';
import { strength } from './strength.ts';

const { DATABASE_URL, USERS, PASSWORD = '', CLIENT_ID } = process.env;
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 10 });

await pool.query(`
  create table users (id uuid primary key, username text not null unique, password text not null);
  create table oauth_clients (client_id text primary key, client_secret text, grants text[] not null);
  create table oauth_tokens (
    id uuid primary key,
    access_token text not null,
    access_token_expires_on timestamptz not null,
    client_id text not null,
    refresh_token text unique,
    refresh_token_expires_on timestamptz,
    scope text not null,
    user_id uuid
  )`);
await pool.query("insert into oauth_clients values ($1, null, '{password,refresh_token}')", [CLIENT_ID]);
await pool.query("insert into oauth_clients values ($1, $2, '{client_credentials}')", [
  machine.client_id,
  machine.client_secret,
]);
await pool.query(
  "insert into users select gen_random_uuid(), 'user-' || n, $2 from generate_series(0, $1::int - 1) n",
  [USERS, await hash(PASSWORD, strength)],
);

type Model = OAuth2Server.PasswordModel &
  OAuth2Server.RefreshTokenModel &
  OAuth2Server.ClientCredentialsModel;

const scope = ['account'];

function createModel(iss: string): Model {
  return {
    async generateAccessToken(client, user) {
      return signToken({ iss, sub: String(user.id), client_id: client.id, jti: randomUUID() });
    },
    async getAccessToken() {
      return null;
    },
    getClient: findClient,
    getUser: findUser,
    // The library requires a user; the client itself stands for it.
    async getUserFromClient(client) {
      return { id: client.id };
    },
    getRefreshToken: findRefreshToken,
    revokeToken: deleteToken,
    saveToken: insertToken,
    async validateScope() {
      return scope;
    },
  };
}

const findClient: Model['getClient'] = async (id, clientSecret) => {
  const { rows } = await pool.query<{ client_id: string; client_secret: string | null; grants: string[] }>(
    'SELECT client_id, client_secret, grants FROM oauth_clients WHERE client_id = $1',
    [id],
  );
  const [row] = rows;
  const isRight = row && (row.client_secret === null || row.client_secret === clientSecret);
  return isRight ? { id: row.client_id, grants: row.grants } : null;
};

const findUser: Model['getUser'] = async (username, password) => {
  const { rows } = await pool.query<{ id: string; password: string }>(
    'SELECT id, password FROM users WHERE username = $1',
    [username],
  );
  const [row] = rows;
  return row && (await verify(row.password, password)) ? { id: row.id } : null;
};

interface TokenRow {
  refresh_token: string;
  refresh_token_expires_on: Date;
  client_id: string;
  scope: string;
  user_id: string;
}

const findRefreshToken: Model['getRefreshToken'] = async (refreshToken) => {
  const { rows } = await pool.query<TokenRow>(
    `SELECT t.refresh_token, t.refresh_token_expires_on, t.client_id, t.scope, u.id AS user_id
     FROM oauth_tokens t JOIN users u ON u.id = t.user_id WHERE t.refresh_token = $1`,
    [refreshToken],
  );
  const [row] = rows;
  if (!row) return null;
  return {
    refreshToken: row.refresh_token,
    refreshTokenExpiresAt: row.refresh_token_expires_on,
    scope: row.scope.split(' '),
    client: { id: row.client_id, grants: [] },
    user: { id: row.user_id },
  };
};

const deleteToken: Model['revokeToken'] = async (token) => {
  const { rowCount } = await pool.query('DELETE FROM oauth_tokens WHERE refresh_token = $1', [
    token.refreshToken,
  ]);
  return rowCount === 1;
};

const insertToken: Model['saveToken'] = async (token, client, user) => {
  await pool.query('INSERT INTO oauth_tokens VALUES ($1, $2, $3, $4, $5, $6, $7, $8)', [
    randomUUID(),
    token.accessToken,
    token.accessTokenExpiresAt,
    client.id,
    token.refreshToken,
    token.refreshTokenExpiresAt,
    token.scope?.join(' '),
    user.id === client.id ? null : user.id,
  ]);
  return { ...token, client, user };
};

function createApp(url: string) {
  const oauth = new OAuth2Server({
    model: createModel(url),
    accessTokenLifetime: 900,
    refreshTokenLifetime: 2_592_000,
    requireClientAuthentication: { password: false, refresh_token: false },
  });
  const app = new Koa();
  app.use(koaBody());
  app.use(async (ctx) => {
    if (ctx.path === '/token') await answerToken(ctx, oauth);
    else if (ctx.path === '/revoke') await answerRevocation(ctx);
    else if (ctx.path === '/jwks') ctx.body = jwks;
  });
  return app.callback();
}

// The library has no revocation endpoint. This is the least that an application has to write for one: the client, then one row.
async function answerRevocation(ctx: Context): Promise<void> {
  const { client_id = '', token } = ctx.request.body as Record<string, string>;
  const client = await findClient(client_id, '');
  if (client)
    await pool.query('DELETE FROM oauth_tokens WHERE refresh_token = $1 AND client_id = $2', [
      token,
      client_id,
    ]);
  ctx.status = client ? 200 : 401;
  ctx.body = '';
}

async function answerToken(ctx: Context, oauth: OAuth2Server): Promise<void> {
  const request = new OAuth2Server.Request({
    headers: ctx.headers as Record<string, string>,
    method: ctx.method,
    query: {},
    body: ctx.request.body,
  });
  const response = new OAuth2Server.Response();
  // The response holds the error too.
  await oauth.token(request, response).catch(() => {});
  ctx.status = response.status ?? 500;
  ctx.set(response.headers ?? {});
  ctx.body = response.body;
}

listen(createApp, () => pool.end());
