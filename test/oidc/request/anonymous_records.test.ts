// Records that the server stores for anonymous browsers and clients: they live for minutes, and their size and number are limited.
import { digest } from '../../../src/lib/crypto.ts';
import { makeClient } from '../../helpers/builders.ts';
import { assertRefused, send } from '../../helpers/client.ts';
import {
  answerPages,
  callback,
  logIn,
  publicClient,
  setUpScene,
  startRequest,
} from '../../helpers/code_flow.ts';
import { testOnOwnServers, testOnServers } from '../../helpers/server.ts';
import { openUserAgent } from '../../helpers/user_agent.ts';

testOnServers(
  'a browser session without a user expires after minutes, one with a user after days',
  async (t, server) => {
    const minutesOf = async (user_id: string | null) => {
      const rows = await server.db('oidc_models').where({ model: 'Session', user_id });
      return rows.map(({ expires_at }) => (Number(expires_at) - Date.now()) / 60_000);
    };
    for (const path of ['/device', '/logout']) await openUserAgent(server.url).send(`${server.url}${path}`);
    const anonymous = await minutesOf(null);
    t.is(anonymous.length, 2);
    for (const minutes of anonymous) t.true(minutes <= 16, `${minutes} minutes`);
    const scene = await setUpScene(server);
    await scene.ua.open(`${server.url}/device`);
    await logIn(scene);
    await scene.ua.open(`${server.url}/device`);
    const [known = 0] = await minutesOf(scene.user.id);
    t.true(known > 6 * 24 * 60, `${known} minutes`);
  },
);

testOnServers(
  'a state of 14,000 characters is accepted, and one that is too long for headers is not stored',
  async (t, server) => {
    const scene = await setUpScene(server, { client: publicClient });
    const state = 'x'.repeat(14_000);
    const page = await scene.ua.open((await startRequest(scene, { state })).url.href);
    t.is(page.status, 200);
    const form = {
      client_id: scene.client_id,
      response_type: 'code',
      redirect_uri: callback,
      scope: 'openid',
      code_challenge: 'x'.repeat(43),
      code_challenge_method: 'S256',
    };
    t.is((await send(`${server.url}/par`, { form: { ...form, state } })).status, 201);
    const large = await send(`${server.url}/par`, { form: { ...form, state: 'x'.repeat(17_000) } });
    assertRefused(t, large, { status: 400, error: 'invalid_request' });
    const kept = await server.db('oidc_models').where({ model: 'PushedAuthorizationRequest' });
    for (const { payload } of kept) t.true(JSON.stringify(payload).length < 45_000);
  },
);

testOnOwnServers(
  'the logins that a network starts and the requests that it pushes are limited per minute',
  (name) => ({ RATE_LIMITS: name === 'sqlite' ? 'memory' : 'database' }),
  async (t, server) => {
    // A counter in memory could be filled only by 600 requests.
    if (server.store === 'sqlite') {
      t.pass();
      return;
    }
    const { client_id } = await makeClient(server.db, {
      ...publicClient,
      redirect_uris: [callback],
      first_party: false,
    });
    const form = {
      client_id,
      response_type: 'code',
      redirect_uri: callback,
      scope: 'openid',
      code_challenge: 'x'.repeat(43),
      code_challenge_method: 'S256',
    };
    const url = `${server.url}/authorize?${new URLSearchParams(form)}`;
    const ask = async () => [
      (await send(url)).status,
      (await send(`${server.url}/device`)).status,
      (await send(`${server.url}/par`, { form })).status,
    ];
    t.deepEqual(await ask(), [303, 200, 201]);
    const key = `strangers:${digest(JSON.stringify(['127.0.0.1']))}`;
    t.is(await server.db('rate_limits').where({ key }).update({ points: 600 }), 1);
    t.deepEqual(await ask(), [429, 429, 429]);
    const refused = await send(`${server.url}/par`, { form });
    assertRefused(t, refused, { status: 429, error: 'rate_limited', reason: 'rate_limited' });
    t.regex(String(refused.headers['retry-after']), /^[1-9]\d*$/);
  },
);

testOnOwnServers(
  'a login in progress can be finished after its network has reached the limit',
  (name) => ({ RATE_LIMITS: name === 'sqlite' ? 'memory' : 'database' }),
  async (t, server) => {
    const scene = await setUpScene(server);
    const login = await scene.ua.open((await startRequest(scene)).url.href);
    if (server.store !== 'sqlite')
      await server.db('rate_limits').where('key', 'like', 'strangers:%').update({ points: 600 });
    const back = await answerPages(scene, login);
    t.truthy(back.searchParams.get('code'), back.href);
  },
);
