// The log line of a request: client, status, for a refusal the reason, and never a secret.
import type { ExecutionContext } from 'ava';
import { makeClient, makeUser, password } from '../../helpers/builders.ts';
import { send } from '../../helpers/client.ts';
import { makeKey, proofFor } from '../../helpers/dpop.ts';
import { login, refresh, token, tokensOf } from '../../helpers/oauth.ts';
import { spawnServer } from '../../helpers/server_process.ts';
import { testOnStores } from '../../helpers/stores.ts';

type Line = Record<string, unknown>;

/** The members of a line that do not differ between runs. */
function essence({
  level: _,
  time: __,
  request_id: ___,
  ms: ____,
  ip: _____,
  msg: ______,
  ...rest
}: Line): Line {
  return rest;
}

const agent = { headers: { 'User-Agent': 'a phone' } };

testOnStores('each request is one line with its client, and for a refusal the reason', async (t, store) => {
  const { url, lines, output, child, exited } = await spawnServer(t, store.url, { LOG_LEVEL: 'info' });
  const server = { ...store, store: store.name, databaseUrl: store.url, url, issuer: url };
  const [user, client] = [await makeUser(store.db), await makeClient(store.db)];
  const { client_id } = client;
  const tokens = tokensOf(await login(server, user, client, {}, agent));
  const engine = { scope: 'openid account' };
  await login(server, user, client, { ...engine, password: 'not the password' }, agent);
  await refresh(server, client, tokens.refresh_token, {}, agent);
  await refresh(server, client, tokens.refresh_token, {}, agent);
  await token(server, { grant_type: 'password', client_id: 'nobody' }, agent);
  await refresh(
    server,
    client,
    'krt_nonsense',
    {},
    { headers: { ...agent.headers, Origin: 'https://evil.example' } },
  );
  const unregistered = new URLSearchParams({
    client_id,
    response_type: 'code',
    redirect_uri: 'https://evil.example',
  });
  await send(`${url}/authorize?${unregistered}&state=the-state`, agent);
  await send(`${url}/api/sessions/nonsense`, { ...agent, token: tokens.access_token });
  const banned = 'Your account is under review.';
  await store.db('users').where({ id: user.id }).update({ status: 'banned', status_message: banned });
  await login(server, user, client, {}, agent);
  await token(server, { grant_type: 'password', client_id: tokens.refresh_token }, agent);
  const proving = await makeClient(store.db, { dpop_bound_access_tokens: true });
  const proof = { DPoP: await proofFor(await makeKey(), 'POST', `${url}/token`) };
  const owner = await makeUser(store.db);
  for (const headers of [{}, proof, proof]) await login(server, owner, proving, {}, { headers });
  child.kill('SIGTERM');
  t.is(await exited, 0);

  const post = { method: 'POST', path: '/token', client_id, user_agent: 'a phone' };
  const refused = { ...post, status: 400, error: 'invalid_grant' };
  const wrong = 'Wrong username or password.';
  const reused = 'The refresh token was used before; the session has ended.';
  const requests = lines().filter((line) => line.msg === 'request');
  const [, , , , unknown, foreign, page, ended, last, , ...unproved] = requests.map(essence);
  t.deepEqual(requests.slice(0, 4).map(essence), [
    { ...post, status: 200 },
    { ...refused, description: wrong, detail: 'wrong username or password' },
    { ...post, status: 200 },
    { ...refused, reason: 'token_reused', description: reused, detail: 'refresh token: reused' },
  ]);
  t.like(unknown, { ...post, client_id: 'nobody', status: 401, error: 'invalid_client' });
  t.like(foreign, { ...post, status: 400, error: 'invalid_request' });
  t.regex(String(foreign?.description), /origin https:\/\/evil\.example not allowed/);
  t.like(page, { method: 'GET', path: '/authorize', client_id, status: 400, error: 'invalid_redirect_uri' });
  t.like(ended, { method: 'GET', status: 401, error: 'invalid_token' });
  t.deepEqual(last, { ...refused, reason: 'account_banned' });
  t.deepEqual(
    unproved.map(({ detail }) => detail),
    ['DPoP proof JWT not provided', undefined, 'DPoP proof JWT Replay detected'],
  );
  assertNone(t, output(), [
    password,
    'not the password',
    tokens.access_token,
    tokens.refresh_token,
    'the-state',
    banned,
  ]);
});

function assertNone(t: ExecutionContext, text: string, secrets: string[]): void {
  for (const secret of secrets) t.false(text.includes(secret), secret);
}
