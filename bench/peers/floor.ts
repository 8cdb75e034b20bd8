// The floor: what an endpoint in Node costs before it knows anything of OAuth. Koa, a parsed form, one statement, one ES256
// signature. Nothing can be faster that does these things in the same way.
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

async function answerToken(ctx: Context, iss: string): Promise<void> {
  const form = ctx.request.body as Record<string, string>;
  // There are no logins: a user's number is the session's.
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

function createApp(url: string) {
  const app = new Koa();
  app.use(koaBody());
  app.use(async (ctx) => {
    if (ctx.path === '/token') await answerToken(ctx, url);
    else if (ctx.path === '/jwks') ctx.body = jwks;
  });
  return app.callback();
}

listen(createApp, () => pool.end());
