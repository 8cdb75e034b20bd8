// The device flow (RFC 8628) with openid-client on the device and a browser beside it.
import * as oidc from 'openid-client';
import { mac } from '../../src/lib/crypto.ts';
import { keyring, makeClient } from '../helpers/builders.ts';
import { granted } from '../helpers/client.ts';
import { publicClient, type Scene, setUpScene, typePassword } from '../helpers/code_flow.ts';
import { deviceGrant } from '../helpers/devices.ts';
import { api, signIn } from '../helpers/oauth.ts';
import { rowOf } from '../helpers/rows.ts';
import { testOnServers } from '../helpers/server.ts';
import { formOf, openUserAgent, textOf } from '../helpers/user_agent.ts';

const device = {
  ...publicClient,
  client_name: 'Television',
  redirect_uris: [],
  response_types: [],
  grant_types: [deviceGrant, 'refresh_token'],
};

/** How a user code is stored. */
const codeDigest = (user_code: string) =>
  mac(keyring.current.keyFor('user-code'), Buffer.from(user_code.replace('-', ''))).toString('base64url');

async function start(scene: Scene): Promise<oidc.DeviceAuthorizationResponse> {
  return await oidc.initiateDeviceAuthorization(scene.config, { scope: 'openid profile' });
}

async function poll({ config }: Scene, { device_code }: oidc.DeviceAuthorizationResponse) {
  const asked = oidc.genericGrantRequest(config, deviceGrant, { device_code });
  return await asked.catch((error: oidc.ResponseBodyError) => error.error);
}

/** Types the code and confirms it; returns the next page: sign-in, consent or the end. */
async function enterCode({ ua, server }: Scene, { user_code }: oidc.DeviceAuthorizationResponse) {
  const page = await ua.open(`${server.url}/device`);
  const confirm = await ua.submit(page, '/device', { user_code: user_code.toLowerCase().replace('-', ' ') });
  return { confirm, user_code };
}

async function approve(scene: Scene, started: oidc.DeviceAuthorizationResponse) {
  const { ua, user } = scene;
  const { confirm } = await enterCode(scene, started);
  const login = await ua.submit(confirm, '/device', { confirm: 'yes' });
  const consent = await typePassword(ua, login, user);
  return await ua.submit(consent, '/consent', { decision: 'allow' });
}

testOnServers('a device polls, is allowed, and gets a session of its own', async (t, server) => {
  const scene = await setUpScene(server, { client: device });
  const started = await start(scene);
  t.deepEqual(
    [started.verification_uri, started.expires_in, started.verification_uri_complete],
    [`${server.issuer}/device`, 600, `${server.issuer}/device?user_code=${started.user_code}`],
  );
  t.regex(started.user_code, /^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$/);
  t.is(await poll(scene, started), 'authorization_pending');
  const { ua, user } = scene;
  const { confirm } = await enterCode(scene, started);
  t.regex(textOf(confirm), new RegExp(`Is this your device\\?.*Television.*${started.user_code}`));
  const login = await ua.submit(confirm, '/device', { confirm: 'yes' });
  t.is(await poll(scene, started), 'authorization_pending', 'the user takes their time');
  const consent = await typePassword(ua, login, user);
  t.regex(textOf(consent), /Television would like access/);
  t.is(await poll(scene, started), 'authorization_pending');
  const done = await ua.submit(consent, '/consent', { decision: 'allow' });
  t.regex(textOf(done), /Your device is connected/);

  const tokens = await poll(scene, started);
  if (typeof tokens === 'string') return t.fail(tokens);
  t.is(tokens.claims()?.sub, user.id);
  const me = await signIn(server, { user, client: await makeClient(server.db) });
  const list = granted(await api(server, 'GET /sessions', me.tokens.access_token)).sessions as {
    id: string;
    user_agent: string;
  }[];
  const listed = list.find(({ id }) => id === tokens.session_id);
  t.regex(String(listed?.user_agent), /openid-client/, 'the device and not the browser');
  const next = await oidc.refreshTokenGrant(scene.config, tokens.refresh_token ?? '');
  t.is(next.session_id, tokens.session_id);
  t.is(await poll(scene, started), 'invalid_grant');
  const row = await rowOf(
    server
      .db('sessions')
      .where({ id: String(tokens.session_id) })
      .first(),
  );
  t.is(row.ended_reason, 'code_reused');
});

testOnServers('cancelling at the confirmation or at the consent denies the device', async (t, server) => {
  const scene = await setUpScene(server, { client: device });
  const { ua, user } = scene;
  const first = await start(scene);
  const { confirm } = await enterCode(scene, first);
  t.regex(textOf(await ua.submit(confirm, '/device', { abort: 'yes' })), /Your device was not connected/);
  t.is(await poll(scene, first), 'access_denied');

  const second = await start(scene);
  const again = await enterCode(scene, second);
  const login = await ua.submit(again.confirm, '/device', { confirm: 'yes' });
  const consent = await typePassword(ua, login, user);
  const done = await ua.submit(consent, '/consent', { decision: 'deny' });
  t.regex(textOf(done), /Your device was not connected/);
  t.is(await poll(scene, second), 'access_denied');
  t.deepEqual(await server.db('sessions').where({ client_id: scene.client_id }), []);
});

testOnServers('expired, unknown and used codes each get their own message', async (t, server) => {
  const scene = await setUpScene(server, { client: device });
  const { ua } = scene;
  const typed = async (user_code: string) => {
    const page = await ua.open(`${server.url}/device`);
    return await ua.submit(page, '/device', { user_code });
  };
  t.regex(textOf(await typed('BCDF-GHJK')), /That code doesn’t match/);
  t.regex(textOf(await typed('')), /Enter the code that your device shows/);
  const used = await start(scene);
  await approve(scene, used);
  t.regex(textOf(await typed(used.user_code)), /already used/);
  const old = await start(scene);
  const second_id = codeDigest(old.user_code);
  t.is(
    await server
      .db('oidc_models')
      .where({ second_id })
      .update({ expires_at: new Date(0) }),
    1,
  );
  t.regex(textOf(await typed(old.user_code)), /expired|doesn’t match/);
  t.true(['expired_token', 'invalid_grant'].includes(String(await poll(scene, old))));
});

testOnServers('of five users who confirm one code at the same time, one continues', async (t, server) => {
  const scene = await setUpScene(server, { client: device });
  for (let round = 0; round < 3; round += 1) {
    const started = await start(scene);
    const people = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const ua = openUserAgent(server.url);
        const { confirm } = await enterCode({ ...scene, ua }, started);
        return { ua, confirm };
      }),
    );
    const pages = await Promise.all(
      people.map(({ ua, confirm }) => ua.submit(confirm, '/device', { confirm: 'yes' })),
    );
    t.is(pages.filter((page) => /Sign in/.test(textOf(page))).length, 1);
    t.is(pages.filter((page) => /already used/.test(textOf(page))).length, 4);
  }
});

testOnServers(
  'ten simultaneous polls get tokens once at most, and a second use ends their session',
  async (t, server) => {
    const scene = await setUpScene(server, { client: device });
    const started = await start(scene);
    await approve(scene, started);
    const answers = await Promise.all(Array.from({ length: 10 }, () => poll(scene, started)));
    const won = answers.filter((answer) => typeof answer !== 'string');
    t.true(won.length <= 1);
    t.deepEqual(new Set(answers.filter((answer) => typeof answer === 'string')), new Set(['invalid_grant']));
    const rows = await server.db('sessions').where({ client_id: scene.client_id });
    t.deepEqual(
      rows.map((row) => row.ended_reason),
      ['code_reused'],
    );
    for (const tokens of won) {
      if (typeof tokens === 'string') continue;
      await t.throwsAsync(oidc.refreshTokenGrant(scene.config, tokens.refresh_token ?? ''));
      await t.throwsAsync(oidc.fetchUserInfo(scene.config, tokens.access_token, scene.user.id));
    }
  },
);

testOnServers(
  'a link that contains the code still asks, and only our own page can confirm',
  async (t, server) => {
    const scene = await setUpScene(server, { client: device });
    const started = await start(scene);
    const { ua } = scene;
    const page = await ua.open(started.verification_uri_complete ?? '');
    t.true(page.text.includes(`value="${started.user_code}"`));
    t.notRegex(page.text, /<script/);
    const confirm = await ua.submit(page, '/device', { user_code: started.user_code });
    t.regex(textOf(confirm), /Is this your device/);
    const xsrf = formOf(confirm, '/device').fields.xsrf ?? '';
    const victim = openUserAgent(server.url);
    const own = await victim.open(`${server.url}/device`);
    const form = { user_code: started.user_code, confirm: 'yes' };
    for (const forged of [{}, { xsrf: '' }, { xsrf }]) {
      const body = new URLSearchParams({ ...form, ...forged } as Record<string, string>);
      const answer = await victim.send(`${server.url}/device`, { method: 'POST', body });
      t.true(answer.status === 200 || answer.status >= 400);
      t.is(answer.location, null);
    }
    t.is(own.status, 200);
    t.is(await poll(scene, started), 'authorization_pending');
    const stored = await server.db('sessions').where({ client_id: scene.client_id });
    t.deepEqual(stored, []);
  },
);
