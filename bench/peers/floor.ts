// The floor: the cost of an endpoint in Node without OAuth. Koa, a parsed form, one statement, one ES256 signature. A server
// that does these things in the same way cannot be faster.
import { randomUUID } from 'node:crypto';
import Koa, { type Context } from 'koa';
import { koaBody } from 'koa-body';
import pg from 'pg';
import { jwks, signToken } from './jwt.ts';
import { listen } from './serve.ts';

const { DATABASE_URL, USERS } = process.env;
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 10 });

await pool.query(
  `create table sessions (id int primary key, generation int not null, rotated_at timestamptz) with (fillfactor = 85)`,
);
await pool.query('insert into sessions select n, 0, now() from generate_series(0, $1::int - 1) n', [USERS]);
await pool.query(`
  create table listed (id int primary key, user_id int not null, client_id text not null, ip text, user_agent text,
    created_at timestamptz not null, last_used_at timestamptz not null, expires_at timestamptz not null);
  create index on listed (user_id)`);
await pool.query(
  `insert into listed select n, n / 5, 'bench', '127.0.0.1', 'ExampleApp/4.12.1 (iPhone; iOS 18.5; Scale/3.00)', now(), now(), now()
   from generate_series(0, 5 * $1::int - 1) n`,
  [USERS],
);

async function answerToken(ctx: Context, iss: string): Promise<void> {
  const form = ctx.request.body as Record<string, string>;
  // There are no logins: the number of a user is that of the session.
  const token = form.grant_type === 'password' ? `${form.username?.slice(5)}.0` : form.refresh_token;
  const [id, generation] = (token ?? '').split('.').map(Number);
  const { rows } = await pool.query<{ generation: number }>({
    name: 'rotate',
    text: 'update sessions set generation = generation + 1, rotated_at = now() where id = $1 and generation = $2 returning generation',
    values: [id, generation],
  });
  const [row] = rows;
  if (!row) {
    ctx.status = 400;
    ctx.body = { error: 'invalid_grant' };
    return;
  }
  const sid = String(id);
  ctx.set('Cache-Control', 'no-store');
  ctx.body = {
    access_token: signToken({ iss, sub: sid, client_id: 'bench', jti: randomUUID(), sid }),
    token_type: 'Bearer',
    expires_in: 900,
    refresh_token: `${id}.${row.generation}`,
  };
}

// The token is not verified; it is active when its row exists.
async function answerIntrospection(ctx: Context): Promise<void> {
  const { token = '' } = ctx.request.body as Record<string, string>;
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
  const { rows } = await pool.query({
    name: 'find',
    text: 'select generation from sessions where id = $1',
    values: [claims.sid],
  });
  ctx.set('Cache-Control', 'no-store');
  ctx.body = rows.length > 0 ? { active: true, ...claims, token_type: 'Bearer' } : { active: false };
}

// The bearer token is the user's number. The answer is the five rows of that user, as JSON.
async function answerSessions(ctx: Context): Promise<void> {
  const { rows } = await pool.query({
    name: 'list',
    text: 'select * from listed where user_id = $1 order by id',
    values: [Number(ctx.get('authorization').slice(7))],
  });
  const sessions = rows.map(
    ({ id, client_id, ip, user_agent, created_at, last_used_at, expires_at }, index) => ({
      id: String(id),
      client: { client_id, client_name: null },
      device: null,
      ip,
      user_agent,
      created_at,
      last_used_at,
      expires_at,
      is_current: index === 0,
    }),
  );
  ctx.body = { sessions, next_cursor: null };
}

function createApp(url: string) {
  const app = new Koa();
  app.use(koaBody());
  app.use(async (ctx) => {
    if (ctx.path === '/token') await answerToken(ctx, url);
    else if (ctx.path === '/introspect') await answerIntrospection(ctx);
    else if (ctx.path === '/api/sessions') await answerSessions(ctx);
    else if (ctx.path === '/jwks') ctx.body = jwks;
  });
  return app.callback();
}

listen(createApp, () => pool.end());
