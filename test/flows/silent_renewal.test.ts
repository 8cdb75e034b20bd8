// Codes that were obtained without a new login: what becomes of the sessions that the same browser had opened with this client.
import * as oidc from 'openid-client';
import type { NewClient } from '../../src/core/clients/client_metadata.ts';
import { json } from '../../src/core/store/columns.ts';
import { enterAsAdmin } from '../helpers/admin.ts';
import { granted } from '../helpers/client.ts';
import {
  getCode,
  logIn,
  publicClient,
  type Scene,
  sentTo,
  setUpScene,
  startRequest,
} from '../helpers/code_flow.ts';
import { connectDevice, deviceGrant } from '../helpers/devices.ts';
import { api, isActive, refresh, signIn } from '../helpers/oauth.ts';
import { makeResourceServer } from '../helpers/resources.ts';
import { type TestServer, testOnServers } from '../helpers/server.ts';
import { openUserAgent } from '../helpers/user_agent.ts';

const firstParty = {
  ...publicClient,
  first_party: true,
  grant_types: ['authorization_code', 'refresh_token'],
};

async function enter(server: TestServer, client: Partial<NewClient> = firstParty): Promise<Scene> {
  return await setUpScene(server, { client });
}

/** The tokens of a code that the browser gets without a page. */
async function renew(scene: Scene, more: Record<string, string> = {}) {
  const started = await startRequest(scene, { prompt: 'none', ...more });
  const back = sentTo(await scene.ua.send(started.url.href));
  const tokens = await oidc.authorizationCodeGrant(scene.config, back, started.checks);
  return tokens as typeof tokens & { session_id: string };
}

/** Moves the last use of all sessions of the client `seconds` into the past. */
async function letPass({ server, client_id }: Scene, seconds: number): Promise<void> {
  for (const { id, last_used_at } of await server.db('sessions').where({ client_id }).whereNull('ended_at'))
    await server
      .db('sessions')
      .where({ id })
      .update({ last_used_at: new Date(last_used_at.getTime() - seconds * 1000) });
}

/** Why each of these sessions has ended; null for a live one. */
async function reasonsOf({ db }: TestServer, ids: string[]): Promise<(string | null | undefined)[]> {
  const found = new Map((await db('sessions').whereIn('id', ids)).map((one) => [one.id, one.ended_reason]));
  return ids.map((id) => found.get(id));
}

const kinds: Record<string, Partial<NewClient>> = {
  'a first-party page': firstParty,
  'a third-party web app': {},
  'a client without refresh tokens': { grant_types: ['authorization_code'] },
};

for (const [kind, client] of Object.entries(kinds)) {
  testOnServers(`ten silent renewals of ${kind} leave one session of one device`, async (t, server) => {
    const scene = await enter(server, client);
    const opened = [(await logIn(scene)).access_token];
    for (let i = 0; i < 10; i += 1) {
      await letPass(scene, 901);
      opened.push((await renew(scene)).access_token);
    }
    const rows = await server.db('sessions').where({ client_id: scene.client_id }).orderBy('id');
    t.deepEqual(
      rows.map((one) => one.ended_reason),
      [...Array(10).fill('replaced'), null],
    );
    t.deepEqual(
      rows.slice(0, 2).map((one) => [one.ended_by, one.ended_by_id]),
      Array(2).fill(['system', null]),
    );
    const live = opened.at(-1) ?? '';
    t.deepEqual([await isActive(server, opened[0] ?? ''), await isActive(server, live)], [false, true]);
    const events = await server.db('audit_events').where({ session_id: rows[0]?.id }).orderBy('id');
    t.deepEqual(
      events.map((one) => [one.type, one.actor, one.reason, one.ip, one.client_id, one.user_id]),
      [
        ['session_opened', 'user', null, '127.0.0.1', scene.client_id, scene.user.id],
        ['session_ended', 'system', 'replaced', '127.0.0.1', scene.client_id, scene.user.id],
      ],
    );
  });
}

testOnServers(
  'a session whose access token still lives goes on beside the renewed one',
  async (t, server) => {
    const { identifier } = await makeResourceServer(server);
    await server.db('resource_servers').where({ identifier }).update({ access_token_ttl: 2000 });
    const scene = await enter(server);
    const short = await logIn(scene);
    await letPass(scene, 700);
    const next = await renew(scene);
    t.deepEqual(await reasonsOf(server, [short.session_id, next.session_id]), [null, null]);
    await letPass(scene, 201);
    const long = await renew(scene, { scope: 'openid orders:read', resource: identifier });
    t.deepEqual(await reasonsOf(server, [short.session_id, next.session_id]), ['replaced', null]);
    await letPass(scene, 1_900);
    const last = await renew(scene);
    await renew(scene);
    t.deepEqual(
      await reasonsOf(server, [next.session_id, long.session_id, last.session_id]),
      ['replaced', null, null],
      'a token for the resource server lives longer',
    );
  },
);

testOnServers(
  'only a live, unused session of the same login, browser and client is replaced',
  async (t, server) => {
    const scene = await enter(server);
    const used = await logIn(scene);
    const rotated = await oidc.refreshTokenGrant(scene.config, used.refresh_token ?? '');
    const other = { ...(await enter(server)), user: scene.user, ua: scene.ua };
    const ofOtherClient = await logIn(other);
    const elsewhere = { ...scene, ua: openUserAgent(server.url) };
    const ofOtherBrowser = await logIn(elsewhere);
    const byPassword = await signIn(server, { user: scene.user });
    const early = await renew(scene);
    const expired = await renew(scene);
    const again = await logIn(scene, { prompt: 'login' });
    const ids = [used, ofOtherClient, ofOtherBrowser, byPassword.tokens, early, expired].map(
      (one) => one.session_id,
    );
    // Whatever the clock says in whole seconds: one has another moment of login, all others have that of the last login.
    const authTime = again.claims()?.auth_time;
    for (const { id, token_payload } of await server.db('sessions').where({ user_id: scene.user.id }))
      await server
        .db('sessions')
        .where({ id })
        .update({
          last_used_at: new Date(Date.now() - 1_000_000),
          token_payload: json({ ...token_payload, authTime: id === early.session_id ? 1 : authTime }),
          ...(id === expired.session_id ? { absolute_expires_at: new Date(Date.now() - 1) } : {}),
        });
    await renew(scene);
    t.deepEqual(
      await reasonsOf(server, ids),
      ids.map(() => null),
    );
    t.deepEqual(await reasonsOf(server, [again.session_id]), ['replaced']);
    t.is((await refresh(server, scene, rotated.refresh_token ?? '')).status, 200);
  },
);

testOnServers('a device that the same browser allowed has a session of its own', async (t, server) => {
  const grant_types = ['authorization_code', 'refresh_token', deviceGrant];
  const scene = await enter(server, { ...publicClient, grant_types });
  const first = await logIn(scene);
  const device = await connectDevice(scene);
  await letPass(scene, 901);
  const other = await connectDevice(scene);
  t.deepEqual(await reasonsOf(server, [first.session_id]), [null], 'a device is no renewal');
  await letPass(scene, 901);
  await renew(scene);
  await renew(scene);
  const ids = [first.session_id, String(device.session_id), String(other.session_id)];
  t.deepEqual(await reasonsOf(server, ids), ['replaced', null, null]);
});

testOnServers('a code that is never exchanged replaces nothing', async (t, server) => {
  const scene = await enter(server);
  const first = await logIn(scene);
  await letPass(scene, 901);
  const { url } = await startRequest(scene, { prompt: 'none' });
  t.truthy(sentTo(await scene.ua.send(url.href)).searchParams.get('code'));
  t.deepEqual(await reasonsOf(server, [first.session_id]), [null]);
  t.is((await refresh(server, scene, first.refresh_token ?? '')).status, 200);
});

testOnServers('of a refresh and a renewal in one moment exactly one wins', async (t, server) => {
  for (let round = 0; round < 4; round += 1) {
    const scene = await enter(server);
    const first = await logIn(scene);
    await letPass(scene, 901);
    const { back, started } = await getCode(scene, { prompt: 'none' });
    const [refreshed, renewed] = await Promise.all([
      refresh(server, scene, first.refresh_token ?? ''),
      oidc.authorizationCodeGrant(scene.config, back, started.checks),
    ]);
    const [reason] = await reasonsOf(server, [first.session_id]);
    t.deepEqual(
      [refreshed.status, refreshed.body.reason],
      reason === null ? [200, undefined] : [400, 'session_ended'],
    );
    t.true([null, 'replaced'].includes(reason ?? null));
    t.true(await isActive(server, renewed.access_token), 'the renewed login works in either case');
    const { token_version } = (await server.db('users').where({ id: scene.user.id }).first()) ?? {};
    t.is(token_version, 0, 'neither is reuse');
  }
});

testOnServers('two tabs that renew at once both go on', async (t, server) => {
  const scene = await enter(server);
  const first = await logIn(scene);
  await letPass(scene, 901);
  const codes = [await getCode(scene, { prompt: 'none' }), await getCode(scene, { prompt: 'none' })];
  const tabs = await Promise.all(
    codes.map(({ back, started }) => oidc.authorizationCodeGrant(scene.config, back, started.checks)),
  );
  t.deepEqual(await reasonsOf(server, [first.session_id]), ['replaced']);
  for (const { access_token } of tabs) t.true(await isActive(server, access_token));
});

testOnServers('a client that wants logout notices gets none for a replaced session', async (t, server) => {
  const scene = await enter(server, { backchannel_logout_uri: 'https://app.example/logout' });
  await logIn(scene);
  await letPass(scene, 901);
  await renew(scene);
  t.deepEqual(await server.db('outbox').where({ client_id: scene.client_id }), []);
  const admin = await enterAsAdmin(server);
  const ask = { json: { reason: 'test' } };
  const logout = await api(server, `POST /admin/users/${scene.user.id}/force-logout`, admin.token, ask);
  t.is(granted(logout).sessions_ended, 1);
  t.is((await server.db('outbox').where({ client_id: scene.client_id })).length, 1);
});

testOnServers('the account page has one device, and does not list replaced sessions', async (t, server) => {
  const scene = await enter(server);
  await logIn(scene);
  await letPass(scene, 700);
  await renew(scene);
  await letPass(scene, 201);
  await renew(scene);
  const page = await scene.ua.open(`${server.issuer}/account`);
  t.is(page.text.match(/id="device-/g)?.length, 1);
  t.is(page.text.match(/id="session-/g)?.length, 2);
  t.false(page.text.includes('Recently signed out'), 'a renewal is no sign-out');
});
