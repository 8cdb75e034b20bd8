// A database that is unreachable or accepts no work: what the server answers meanwhile, and that it recovers afterwards.
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { loadConfig } from '../../config/index.ts';
import { createAuditBatch } from '../../src/core/audit/audit_batch.ts';
import { isUnavailable, markDatabaseError } from '../../src/core/store/database_errors.ts';
import { openDatabase } from '../../src/core/store/db.ts';
import { createLog } from '../../src/lib/log.ts';
import { startServer } from '../../src/process/run_server.ts';
import { makeClient, makeUser, password } from '../helpers/builders.ts';
import { type Answer, assertRefused, granted, type RequestOptions, send } from '../helpers/client.ts';
import { type DatabaseProxy, openDatabaseProxy } from '../helpers/database_proxy.ts';
import { login, refresh, type SignedIn, signIn, tokensOf } from '../helpers/oauth.ts';
import { rowOf } from '../helpers/rows.ts';
import { environment, gateway, registerGateway, type TestServer } from '../helpers/server.ts';
import { makeStore, type Store, testOnStores } from '../helpers/stores.ts';
import { giveTime, until } from '../helpers/until.ts';
import { openUserAgent, textOf } from '../helpers/user_agent.ts';

const away = { status: 503, error: 'temporarily_unavailable' };

function assertAway(t: ExecutionContext, answer: Answer, message?: string): void {
  assertRefused(t, answer, away, message);
  t.regex(String(answer.headers['retry-after']), /^[1-9]\d?$/, message);
}

/** A server whose connection to Postgres can be cut. */
async function startBehindProxy(t: ExecutionContext): Promise<{ server: TestServer; proxy: DatabaseProxy }> {
  giveTime(t);
  const store = await makeStore('postgres');
  t.teardown(store.drop);
  const proxy = await openDatabaseProxy(store.url);
  t.teardown(proxy.close);
  const running = await startServer(loadConfig(environment(proxy.url, { RATE_LIMITS: 'memory' })));
  t.teardown(running.stop);
  const { port, issuer } = running.config;
  return {
    server: await registerGateway(store, { url: `http://127.0.0.1:${port}`, issuer, stop: running.stop }),
    proxy,
  };
}

/** One request to everything that needs the database. */
function everything({ client, tokens }: SignedIn): Record<string, RequestOptions> {
  const { access_token: token, refresh_token } = tokens;
  const ours = { client_id: client.client_id };
  return {
    '/token': { form: { ...ours, grant_type: 'refresh_token', refresh_token } },
    '/token?login': { form: { ...ours, grant_type: 'password', username: 'somebody', password } },
    '/token?code': {
      form: { ...ours, grant_type: 'authorization_code', code: 'x', redirect_uri: 'https://a.b' },
    },
    '/introspect': { form: { ...gateway, token } },
    '/revoke': { form: { ...ours, token: refresh_token } },
    '/userinfo': { token },
    '/par': { form: { ...gateway, response_type: 'code' } },
    '/device/authorize': { form: ours },
    '/api/me': { token },
    '/api/sessions': { token },
    '/api/logout': { token, method: 'POST', json: {} },
    '/api/me/password': {
      token,
      json: { current_password: password, new_password: 'another horse, another day' },
    },
    '/api/admin/users': { token },
  };
}

/** Repeats the request until the answer is 200; before that only 503 is allowed. */
async function until200(t: ExecutionContext, ask: () => Promise<Answer>, what: string): Promise<Answer> {
  return await until(async () => {
    const answer = await ask();
    if (answer.status === 200) return answer;
    t.is(answer.status, 503, what);
    return null;
  }, what);
}

test('while Postgres is away every endpoint answers 503, and afterwards everything works', async (t) => {
  const { server, proxy } = await startBehindProxy(t);
  const signedIn = await signIn(server, { form: { scope: 'openid account' } });
  const { client, tokens } = signedIn;
  // This rotation is still queued when the database goes away.
  tokens.refresh_token = tokensOf(await refresh(server, client, tokens.refresh_token)).refresh_token;
  proxy.cut();
  for (const [path, question] of Object.entries(everything(signedIn)))
    assertAway(t, await send(`${server.url}${path}`, question), path);
  // Twice, so that not only the broken connections are tried.
  assertAway(t, await refresh(server, client, tokens.refresh_token));
  const unready = await until(async () => {
    const ready = await send(`${server.url}/readyz`);
    return ready.status === 503 && ready;
  }, 'it is not ready');
  t.is(unready.body.status, 'not_ready');
  t.is((await send(`${server.url}/healthz`)).status, 200);
  proxy.mend();
  await until200(t, () => send(`${server.url}/readyz`), 'readiness');
  const next = tokensOf(await until200(t, () => refresh(server, client, tokens.refresh_token), 'a refresh'));
  const ours = () => server.db('session_rotations').where({ session_id: tokens.session_id });
  await until(async () => (await ours()).length > 1, 'both rotations are written');
  t.deepEqual((await ours()).map(({ generation }) => generation).toSorted(), [1, 2]);
  // Nothing happened by halves: no revocation, no logout, the old password, the session intact.
  const session = await rowOf(server.db('sessions').where({ id: tokens.session_id }).first());
  t.deepEqual([session.ended_at, session.generation], [null, 2]);
  granted(await send(`${server.url}/api/sessions`, { token: next.access_token }));
  granted(await login(server, signedIn.user, client));
});

test('clients that retry while Postgres is away are not rate-limited for it afterwards', async (t) => {
  const { server, proxy } = await startBehindProxy(t);
  const { user, client, tokens } = await signIn(server);
  proxy.cut();
  for (let i = 0; i < 12; i += 1) {
    assertAway(t, await refresh(server, client, tokens.refresh_token));
    assertAway(t, await login(server, user, client));
  }
  proxy.mend();
  await until200(t, () => refresh(server, client, tokens.refresh_token), 'a refresh');
  await until200(t, () => login(server, user, client), 'a login');
});

test('while Postgres is away browsers get a page', async (t) => {
  const { server, proxy } = await startBehindProxy(t);
  const user = await makeUser(server.db);
  const browser = openUserAgent(server.url, { accept: 'text/html' });
  const account = await browser.open(`${server.url}/account`);
  const fields = { username: user.username, password };
  proxy.cut();
  const query = new URLSearchParams({
    client_id: 'x',
    response_type: 'code',
    redirect_uri: 'https://a.example/',
  });
  const pages = [
    await browser.post(account, '/account/login', fields),
    await browser.send(`${server.url}/authorize?${query}`),
  ];
  for (const page of pages) {
    t.deepEqual([page.status, page.headers.get('cache-control')], [503, 'no-store'], page.url);
    t.regex(String(page.headers.get('retry-after')), /^\d+$/);
    t.regex(textOf(page), /^Service temporarily unavailable We cannot answer right now/);
    t.notRegex(page.text, /ECONN|select |postgres/i);
  }
  proxy.mend();
  const entered = await browser.post(account, '/account/login', fields);
  t.is(entered.status, 303, textOf(entered));
  const device = await browser.open(`${server.url}/device`);
  proxy.cut();
  const typed = await browser.post(device, '/device', { user_code: 'BCDF-GHJK' });
  t.is(typed.status, 503, 'a code that cannot be looked up is not reported as wrong');
});

test('cut connections cost only the requests on them', async (t) => {
  const { server, proxy } = await startBehindProxy(t);
  const client = await makeClient(server.db, { rotation_profile: 'mobile' });
  const held = (await Promise.all(Array.from({ length: 6 }, () => signIn(server, { client })))).map(
    ({ tokens }) => tokens.refresh_token,
  );
  for (let round = 0; round < 5; round += 1) {
    const asking = held.map((value) => refresh(server, client, value));
    await sleep(round);
    proxy.shake();
    // It is unknown whether a rotation that was cut off has happened; within the window the same token is valid either way.
    for (const [i, answer] of (await Promise.all(asking)).entries()) {
      if (answer.status === 200) held[i] = tokensOf(answer).refresh_token;
      else assertAway(t, answer);
    }
  }
  const healed: Answer[] = [];
  for (const value of held)
    healed.push(await until200(t, () => refresh(server, client, value), 'a refresh after all that'));
  t.is(new Set(healed.map((answer) => tokensOf(answer).session_id)).size, held.length, 'no session was lost');
});

test('a Postgres that no longer answers is noticed in time', async (t) => {
  const { server, proxy } = await startBehindProxy(t);
  const { client, tokens } = await signIn(server);
  proxy.shake();
  proxy.freeze();
  // The time limit of the test decides whether the outage is noticed.
  assertAway(t, await refresh(server, client, tokens.refresh_token));
  t.is((await send(`${server.url}/readyz`)).status, 503);
  proxy.mend();
  await until200(t, () => send(`${server.url}/readyz`), 'readiness');
  await until200(t, () => refresh(server, client, tokens.refresh_token), 'a refresh');
});

test('a statement without an answer is abandoned with its connection, a slow one is not', async (t) => {
  const store = await makeStore('postgres');
  t.teardown(store.drop);
  const proxy = await openDatabaseProxy(store.url);
  t.teardown(proxy.close);
  const db = openDatabase(proxy.url, { pool: 1, silence: 4_000 });
  t.teardown(() => db.destroy());
  await db.raw('select 1');
  await sleep(4_500);
  await db.raw('select 1');
  const { pid } = (await db.raw('select pg_backend_pid() as pid')).rows[0];
  await db.raw('select pg_sleep(0.5)');
  t.is(
    (await db.raw('select pg_backend_pid() as pid')).rows[0].pid,
    pid,
    'the connection is the same, idle or busy',
  );
  proxy.freeze();
  const error = await t.throwsAsync(db.raw('select 1'));
  t.true(isUnavailable(error), String(error));
  proxy.mend();
  await db.raw('select 1');
});

test('events whose insert was not confirmed are in the trail once and delay no later ones', async (t) => {
  const store = await makeStore('postgres');
  t.teardown(store.drop);
  const proxy = await openDatabaseProxy(store.url);
  t.teardown(proxy.close);
  const db = openDatabase(proxy.url, { pool: 1 });
  t.teardown(() => db.destroy());
  const audit = createAuditBatch(db, createLog({ level: 'silent' }), { interval: 3_600_000 });
  const written = async () => (await store.db('audit_events').orderBy('reason')).map(({ reason }) => reason);
  await db.raw('select 1');
  for (let i = 0; i < 60; i += 1) audit.add({ type: 'client_token_issued', reason: `first ${i + 10}` });
  proxy.mute();
  const flushing = audit.flush();
  await until(async () => (await written()).length > 0, 'they are written');
  proxy.mend();
  await flushing;
  audit.add({ type: 'client_token_issued', reason: 'second' });
  await audit.flush();
  t.deepEqual(await written(), [...Array.from({ length: 60 }, (_, i) => `first ${i + 10}`), 'second']);
  await audit.close();
});

test('on SQLite a locked file and a full disk are answered the same way', async (t) => {
  giveTime(t);
  const store = await makeStore('sqlite');
  t.teardown(store.drop);
  const running = await startServer(loadConfig(environment(store.url)));
  t.teardown(running.stop);
  const { port, issuer } = running.config;
  const server = await registerGateway(store, {
    url: `http://127.0.0.1:${port}`,
    issuer,
    stop: running.stop,
  });
  const { client, tokens } = await signIn(server);

  const other = openDatabase(store.url);
  t.teardown(() => other.destroy());
  await other.raw('begin immediate');
  assertAway(t, await refresh(server, client, tokens.refresh_token));
  await other.raw('rollback');
  const next = tokensOf(await refresh(server, client, tokens.refresh_token));

  // SQLite's limit of the file size stands in for a full disk: the code is SQLITE_FULL for both.
  await running.deps.db.raw('pragma max_page_count = 1');
  const full = await failToLogIn(server, client);
  assertAway(t, full);
  await running.deps.db.raw('pragma max_page_count = 1000000');
  tokensOf(await refresh(server, client, next.refresh_token));
});

/** Logs in until the file is full. */
async function failToLogIn(server: TestServer, client: { client_id: string }): Promise<Answer> {
  const { user } = await signIn(server, { client });
  for (let i = 0; i < 200; i += 1) {
    const answer = await login(server, user, client, { device_id: `${i}`.padEnd(64, '-') });
    if (answer.status !== 200) return answer;
  }
  throw new Error('the file never fills up');
}

testOnStores('an error in a statement is not an outage', async (t, { db }: Store) => {
  for (const sql of ['select nothing from nowhere', 'selec', "insert into users (id) values ('x')"]) {
    const error = await t.throwsAsync(db.raw(sql));
    t.false(isUnavailable(error), sql);
  }
});

test('an outage is recognised by its code, also as a cause, and never by the text of a statement', (t) => {
  const coded = (code: string) => Object.assign(new Error('select 1 - it failed'), { code });
  for (const code of ['57P01', '53300', '53100', '08006', '25006', '40P01', 'SQLITE_BUSY', 'SQLITE_FULL'])
    t.true(isUnavailable(coded(code)), code);
  for (const code of ['23505', '42601', '57P04', '22021', 'SQLITE_CONSTRAINT', 'ENOENT'])
    t.false(isUnavailable(coded(code)), code);
  for (const error of [coded('ECONNREFUSED'), coded('ENOTFOUND'), new Error('timeout expired')]) {
    t.false(isUnavailable(error), 'an error of another connection, such as one to a client');
    markDatabaseError(error);
    t.true(isUnavailable(error));
  }
  t.true(
    isUnavailable(new Error('outer', { cause: new Error('select 1 - Connection terminated unexpectedly') })),
  );
  t.false(isUnavailable(new Error("select 'Connection terminated' from users - it failed")));
  for (const nothing of [null, undefined, 'ECONNREFUSED', { code: 'ECONNREFUSED' }])
    t.false(isUnavailable(nothing));
});
