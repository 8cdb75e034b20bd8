// With a single connection to Postgres, code that waits for a second one while it holds the first waits for ever; with more it could
// deadlock behind a statement that waits for its lock (docs/decisions/007). SQLite never has more than one.
import test, { type ExecutionContext } from 'ava';
import { routes } from '../../src/app.ts';
import { callersOf, cases } from '../helpers/api_cases.ts';
import { logIn, setUpScene } from '../helpers/code_flow.ts';
import { api, introspect, refresh, revoke, signIn, tokensOf } from '../helpers/oauth.ts';
import { startTestServer, type TestServer } from '../helpers/server.ts';
import { makeStore } from '../helpers/stores.ts';

async function startServer(t: ExecutionContext): Promise<TestServer> {
  const store = await makeStore('postgres');
  t.teardown(store.drop);
  return await startTestServer(t, store, { DATABASE_POOL: '1' });
}

test('every route of the API answers with one connection', async (t) => {
  const server = await startServer(t);
  const callers = await callersOf(server);
  for (const { method, path, auth } of routes) {
    const good = await cases[`${method} ${path}`]?.(callers);
    const { tokens } = auth === 'admin' ? callers.admin : callers.user;
    const json = good?.json === undefined ? {} : { json: good.json };
    const answer = await api(
      server,
      `${method.toUpperCase()} ${good?.path}`,
      good?.token ?? tokens.access_token,
      json,
    );
    t.true(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  }
});

test('a session lives and ends with one connection', async (t) => {
  const server = await startServer(t);
  const phone = await signIn(server, { form: { device_id: 'phone', device_name: 'My phone' } });
  const second = tokensOf(await refresh(server, phone.client, phone.tokens.refresh_token));
  const both = await Promise.all([1, 2].map(() => refresh(server, phone.client, second.refresh_token)));
  t.deepEqual(both.map(({ status }) => status).toSorted(), [200, 400]);
  t.false((await introspect(server, second.access_token)).active);
  const other = await signIn(server, phone);
  t.true((await introspect(server, other.tokens.access_token)).active);
  t.is((await revoke(server, other.tokens.refresh_token, phone.client)).status, 200);
  t.false((await introspect(server, other.tokens.access_token)).active);

  const scene = await setUpScene(server);
  const tokens = await logIn(scene, { scope: 'openid profile offline_access' });
  t.true((await introspect(server, tokens.access_token)).active);
});
