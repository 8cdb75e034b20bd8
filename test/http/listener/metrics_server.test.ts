// The metrics over HTTP: what is counted, and that nothing in them is personal.
import type { ExecutionContext } from 'ava';
import { loadConfig } from '../../../config/index.ts';
import about from '../../../package.json' with { type: 'json' };
import { countStatistics } from '../../../src/core/statistics/count_statistics.ts';
import { startServer } from '../../../src/process/run_server.ts';
import { after, makeClient, makeUser, password } from '../../helpers/builders.ts';
import { send } from '../../helpers/client.ts';
import { login, refresh, signIn, tokensOf } from '../../helpers/oauth.ts';
import {
  environment,
  registerGateway,
  type Settings,
  startServerProcess,
  type TestServer,
} from '../../helpers/server.ts';
import { freePort } from '../../helpers/server_process.ts';
import { type Store, testOnStores } from '../../helpers/stores.ts';

async function start(t: ExecutionContext, store: Store, settings: Settings = {}) {
  const port = await freePort();
  const server = await startServerProcess(t, store, { METRICS_PORT: String(port), ...settings });
  return { server, read: async () => (await send(`http://127.0.0.1:${port}/metrics`)).text, port };
}

/** The value of one sample, by its name with labels. */
function sample(text: string, name: string): number {
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return line === undefined ? Number.NaN : Number(line.slice(name.length + 1));
}

const refreshes = (text: string, outcome: string) =>
  sample(text, `kindred_refresh_tokens_total{outcome="${outcome}"}`);

testOnStores('refreshes are counted by outcome', async (t, store) => {
  const { server, read } = await start(t, store);
  const zero = await read();
  for (const outcome of ['rotated', 'retried', 'reused', 'observed', 'ended', 'expired', 'unknown']) {
    t.is(refreshes(zero, outcome), 0, outcome);
  }
  const strict = await signIn(server);
  await refresh(server, strict.client, strict.tokens.refresh_token);
  await refresh(server, strict.client, strict.tokens.refresh_token);
  await refresh(server, strict.client, strict.tokens.refresh_token);
  await refresh(server, strict.client, 'krt_nonsense');
  const mobile = await signIn(server, {
    client: await makeClient(server.db, { rotation_profile: 'mobile' }),
  });
  for (let i = 0; i < 3; i += 1) await refresh(server, mobile.client, mobile.tokens.refresh_token);
  const watched = await signIn(server, {
    client: await makeClient(server.db, { rotation_profile: 'observe' }),
  });
  const { body } = await refresh(server, watched.client, watched.tokens.refresh_token);
  await refresh(server, watched.client, String(body.refresh_token));
  await refresh(server, watched.client, watched.tokens.refresh_token);
  const idle = await signIn(server);
  await server
    .db('sessions')
    .where({ id: idle.tokens.session_id })
    .update({ last_used_at: after(new Date(), -8 * 86_400) });
  await refresh(server, idle.client, idle.tokens.refresh_token);

  const text = await read();
  const counts = Object.fromEntries(
    ['rotated', 'retried', 'reused', 'observed', 'ended', 'expired', 'unknown'].map((one) => [
      one,
      refreshes(text, one),
    ]),
  );
  t.deepEqual(counts, { rotated: 4, retried: 2, reused: 1, observed: 1, ended: 1, expired: 1, unknown: 1 });
  t.is(sample(text, 'kindred_audit_events_total{type="refresh_token_reused"}'), 1);
});

testOnStores('two servers in one process count each their own events', async (t, store) => {
  const start = async () => {
    const { config, deps, stop } = await startServer(loadConfig(environment(store.url)));
    t.teardown(stop);
    const url = `http://127.0.0.1:${config.port}`;
    const count = async () =>
      sample((await deps.metrics.render()).text, 'kindred_audit_events_total{type="session_opened"}');
    return { server: await registerGateway(store, { url, issuer: config.issuer, stop }), count };
  };
  const [first, second] = [await start(), await start()];
  await signIn(first.server);
  await signIn(first.server);
  await signIn(second.server);
  t.deepEqual([await first.count(), await second.count()], [2, 1]);
});

testOnStores('the version and the rate-limited requests are metrics', async (t, store) => {
  const { server, read } = await start(t, store, { RATE_LIMITS: 'memory', RATE_LIMIT_REFRESH: '1/600' });
  const { client, tokens } = await signIn(server);
  const next = tokensOf(await refresh(server, client, tokens.refresh_token));
  t.is((await refresh(server, client, next.refresh_token)).status, 429);
  const text = await read();
  t.is(sample(text, 'kindred_rate_limited_requests_total{route="/token"}'), 1);
  t.is(sample(text, `kindred_build_info{version="${about.version}",node="${process.version}"}`), 1);
});

testOnStores('a lockout is counted once', async (t, store) => {
  const limits = { RATE_LIMITS: 'memory', RATE_LIMIT_PASSWORD: '100/60', LOCKOUT: '3/600/900' };
  const { server, read } = await start(t, store, limits);
  const { user, client } = await signIn(server);
  t.is(sample(await read(), 'kindred_lockouts_total'), 0);
  for (let i = 0; i < 5; i += 1) await login(server, user, client, { password: 'wrong' });
  t.is(sample(await read(), 'kindred_lockouts_total'), 1);
});

testOnStores('failed logins are counted by reason, requests by route and status', async (t, store) => {
  const { server, read } = await start(t, store);
  const { user, client, tokens } = await signIn(server);
  await login(server, user, client, { password: 'wrong' });
  await login(server, { username: 'nobody' }, client, { password: 'wrong' });
  const banned = await makeUser(server.db);
  await server.db('users').where({ id: banned.id }).update({ status: 'banned' });
  await login(server, banned, client);
  await send(`${server.url}/api/sessions/${tokens.session_id}`, { token: tokens.access_token });
  await send(`${server.url}/api/sessions/${tokens.session_id}`);
  await send(`${server.url}/no/such/path?x=1`);
  await send(`${server.url}/api/sessions`, { method: 'PURGE' });

  const text = await read();
  t.is(sample(text, 'kindred_logins_failed_total{reason="wrong_credentials"}'), 2);
  t.is(sample(text, 'kindred_logins_failed_total{reason="account_banned"}'), 1);
  const requests = (labels: string) => sample(text, `kindred_http_request_duration_seconds_count{${labels}}`);
  t.is(requests('method="POST",route="/token",status="200"'), 1);
  t.is(requests('method="POST",route="/token",status="400"'), 3);
  t.is(requests('method="GET",route="/api/sessions/{id}",status="200"'), 1);
  t.is(requests('method="GET",route="/api/sessions/{id}",status="401"'), 1);
  t.is(requests('method="GET",route="other",status="404"'), 1);
  t.is(requests('method="other",route="other",status="405"'), 1);
});

testOnStores(
  'metrics of the database, the pool and the process exist and are not queried at each scrape',
  async (t, store) => {
    const { server, read } = await start(t, store);
    const age = 'kindred_sessions_live_age_seconds';
    await signIn(server);
    const early = await read();
    t.deepEqual([sample(early, 'kindred_sessions_live'), sample(early, age)], [Number.NaN, Number.NaN]);
    await countStatistics(store.db, { url: store.url });
    const first = await read();
    t.is(sample(first, 'kindred_sessions_live'), 1);
    t.true(sample(first, age) >= 0 && sample(first, age) < 600);
    await store.db('statistics').delete();
    const text = await read();
    t.is(sample(text, 'kindred_sessions_live'), 1, 'kept for 15 seconds');
    t.true(sample(text, 'kindred_signing_key_age_seconds') < 600);
    for (const name of ['used', 'free', 'pending'])
      t.true(sample(text, `kindred_db_connections_${name}`) >= 0, name);
    t.true(sample(text, 'nodejs_eventloop_lag_seconds') >= 0);
    t.true(sample(text, 'process_resident_memory_bytes') > 0);
  },
);

testOnStores('the metrics contain no personal data and are not on the main port', async (t, store) => {
  const { server, read, port } = await start(t, store);
  const user = await makeUser(server.db, { username: 'grace.hopper', email: 'grace@example.test' });
  const { client, tokens } = await signIn(server, { user });
  await refresh(server, client, tokens.refresh_token);
  await login(server, { username: 'grace.hopper' }, client, { password: 'guessed-word' });
  await send(`${server.url}/users/grace.hopper?code=secret-code`);
  const text = await read();
  const personal = [
    'grace',
    'example.test',
    user.id,
    tokens.session_id,
    client.client_id,
    'guessed-word',
    password,
    'secret-code',
    '127.0.0.1',
    tokens.refresh_token,
    tokens.access_token,
  ];
  for (const value of personal) t.false(text.includes(value), value);
  t.is((await send(`${server.url}/metrics`)).status, 404);
  t.is((await send(`http://127.0.0.1:${port}/`)).status, 404);
  t.is((await send(`http://127.0.0.1:${port}/metrics`, { method: 'POST' })).status, 404);
});

testOnStores('without the database its metrics are missing and the others remain', async (t, store) => {
  const { server, read } = await start(t, store);
  await (server as TestServer).db.schema.renameTable('statistics', 'away');
  const text = await read();
  t.true(Number.isNaN(sample(text, 'kindred_sessions_live')));
  t.true(sample(text, 'process_resident_memory_bytes') > 0);
  await server.db.schema.renameTable('away', 'statistics');
});
