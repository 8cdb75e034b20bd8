// How many statements a login by the code flow and a request for userinfo send to Postgres, request by request, with a warm client cache. BEGIN and COMMIT
// count: each is a round trip.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { loadConfig } from '../../config/index.ts';
import { createApp, createEngine } from '../../src/app.ts';
import type { NewClient } from '../../src/core/clients/client_metadata.ts';
import { openDeps } from '../../src/core/deps.ts';
import { describeQuery } from '../../src/core/store/query_watch.ts';
import { makeUser, password } from '../helpers/builders.ts';
import {
  callback,
  publicClient,
  type Scene,
  sentTo,
  setUpScene,
  startRequest,
} from '../helpers/code_flow.ts';
import { environment, registerGateway } from '../helpers/server.ts';
import { makeStore } from '../helpers/stores.ts';
import { openUserAgent, type Page } from '../helpers/user_agent.ts';

// The batches of events and the clock run on their own time.
const ofRequests = new Set(
  'begin commit users sessions oidc_models clients resource_servers registry consents known_browsers'.split(
    ' ',
  ),
);

interface Counting extends Scene {
  /** What `work` returns, and how many statements ran meanwhile. */
  count: <Result>(request: string, work: () => Promise<Result>) => Promise<Result>;
  counted: [request: string, statements: number][];
}

async function openScene(t: ExecutionContext, client: Partial<NewClient>): Promise<Counting> {
  const store = await makeStore('postgres');
  t.teardown(store.drop);
  // Without the jobs of a server, whose statements would be counted too.
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const deps = await openDeps(loadConfig(environment(store.url, { PORT: String(port) })));
  listener.on('request', createApp(deps, createEngine(deps)).callback());
  t.teardown(async () => {
    listener.closeAllConnections();
    listener.close();
    await deps.close();
  });
  const running = { url: `http://127.0.0.1:${port}`, issuer: deps.config.issuer, stop: async () => {} };
  const server = await registerGateway(store, running);
  const seen: string[] = [];
  deps.db.on('query', ({ sql }: { sql: string }) => {
    const { verb, table } = describeQuery(sql);
    const isOfRequest = ofRequests.has(table ?? verb);
    if (isOfRequest) seen.push(table === null ? verb : `${verb} ${table}`);
  });
  const counted: Counting['counted'] = [];
  return {
    ...(await setUpScene(server, { client: { ...publicClient, ...client } })),
    counted,
    async count(request, work) {
      seen.length = 0;
      const result = await work();
      counted.push([request, seen.length]);
      t.log(`${request}: ${seen.length} (${seen.join(', ')})`);
      return result;
    },
  };
}

/** One login in this browser; whatever the pages ask is answered. */
async function logIn(scene: Counting): Promise<void> {
  const { ua, user, count, client_id, server } = scene;
  const { url, checks } = await startRequest(scene);
  scene.counted.length = 0;
  let page: Page = await count('authorize', () => ua.send(url.href));
  while (!page.location?.startsWith(callback)) {
    const { location, forms } = page;
    const at = page;
    if (location)
      page = await count(location.includes('/interaction/') ? 'page' : 'resume', () => ua.send(location));
    else if (forms.some(({ action }) => action.endsWith('/login')))
      page = await count('password', () => ua.post(at, '/login', { username: user.username, password }));
    else page = await count('consent', () => ua.post(at, '/consent', { decision: 'allow' }));
  }
  const code = sentTo(page).searchParams.get('code') ?? '';
  const form = { grant_type: 'authorization_code', client_id, code, redirect_uri: callback };
  const body = new URLSearchParams({ ...form, code_verifier: checks.pkceCodeVerifier });
  const answer = await count('exchange', () => fetch(`${server.url}/token`, { method: 'POST', body }));
  const tokens = (await answer.json()) as { access_token: string };
  const headers = { authorization: `Bearer ${tokens.access_token}` };
  const userinfo = await count('userinfo', () => fetch(`${server.url}/userinfo`, { headers }));
  if (userinfo.status !== 200) throw new Error(await userinfo.text());
}

/** The most statements of each request, in their order. */
type Bars = [request: string, most: number][];

const titles: Record<string, { first_party: boolean; first: Bars; again: Bars }> = {
  'a login at a first-party client': {
    first_party: true,
    first: [
      ['authorize', 2],
      ['page', 1],
      ['password', 4],
      ['resume', 6],
      ['exchange', 3],
      ['userinfo', 1],
    ],
    again: [
      ['authorize', 6],
      ['exchange', 3],
      ['userinfo', 1],
    ],
  },
  'a login at a third-party client': {
    first_party: false,
    first: [
      ['authorize', 2],
      ['page', 1],
      ['password', 4],
      ['resume', 6],
      ['page', 4],
      ['consent', 5],
      ['resume', 9],
      ['exchange', 4],
      ['userinfo', 2],
    ],
    again: [
      ['authorize', 7],
      ['exchange', 4],
      ['userinfo', 2],
    ],
  },
};

for (const [title, { first_party, first, again }] of Object.entries(titles)) {
  test(`${title}, and another one in the same browser, send few statements`, async (t) => {
    const scene = await openScene(t, { first_party });
    // Another user warms up the client cache.
    await logIn({ ...scene, user: await makeUser(scene.server.db), ua: openUserAgent(scene.server.url) });
    await logIn(scene);
    assertWithin(t, scene.counted, first);
    await logIn(scene);
    assertWithin(t, scene.counted, again);
  });
}

function assertWithin(t: ExecutionContext, counted: Counting['counted'], bars: Bars): void {
  t.deepEqual(
    counted.map(([request, statements], i) => [request, Math.max(statements, bars[i]?.[1] ?? 0)]),
    bars,
  );
}
