// The floor: what a token endpoint in Node costs before it knows anything of OAuth. Koa, a parsed form, one conditional
// UPDATE, one ES256 signature. Nothing can be faster that does these three things in the same way.
import { generateKeyPairSync, sign } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import Koa from 'koa';
import { koaBody } from 'koa-body';
import pg from 'pg';

const { DATABASE_URL, CONNECTIONS } = process.env;
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 10 });
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const head = encode({ alg: 'ES256', typ: 'at+jwt', kid: 'floor' });

await pool.query(
  `create table sessions (id int primary key, generation int not null, rotated_at timestamptz) with (fillfactor = 85)`,
);
await pool.query('insert into sessions select n, 0, now() from generate_series(0, $1::int - 1) n', [
  CONNECTIONS,
]);

const app = new Koa();
app.use(koaBody());
app.use(async (ctx) => {
  const { refresh_token } = ctx.request.body as { refresh_token: string };
  const [id, generation] = refresh_token.split('.').map(Number);
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
  ctx.set('Cache-Control', 'no-store');
  ctx.body = {
    access_token: issue(String(id)),
    token_type: 'Bearer',
    expires_in: 900,
    refresh_token: `${id}.${row.generation}`,
  };
});

function issue(sid: string): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: 'floor',
    sub: sid,
    aud: 'floor',
    iat: now,
    exp: now + 900,
    jti: sid,
    sid,
    client_id: 'bench',
  };
  const signed = `${head}.${encode(claims)}`;
  const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}

const server = app.listen(0, '127.0.0.1', () =>
  process.send?.({ port: (server.address() as AddressInfo).port }),
);
process.once('disconnect', async () => {
  server.closeAllConnections();
  await pool.end();
  process.exit();
});
