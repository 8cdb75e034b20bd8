// What shuts everybody out of an account ends whatever was begun before: sessions, tokens, browser sessions, and logins that are complete
// but for their last step. And a link does only what it was sent for.
import * as oidc from 'openid-client';
import { issueCode } from '../../src/core/one_time_codes/one_time_codes.ts';
import type { Purpose } from '../../src/core/one_time_codes/purposes.ts';
import { findUser, type User } from '../../src/core/users/users.ts';
import { newAddress } from '../helpers/address_change.ts';
import { enterAsAdmin, post } from '../helpers/admin.ts';
import { keyring, type NamedUser, password } from '../helpers/builders.ts';
import { granted } from '../helpers/client.ts';
import {
  getCode,
  openRequest,
  publicClient,
  type Scene,
  setUpScene,
  typePassword,
} from '../helpers/code_flow.ts';
import { deviceGrant } from '../helpers/devices.ts';
import { api, isActive, refresh, signIn } from '../helpers/oauth.ts';
import { fresh, makeReachable } from '../helpers/recovery.ts';
import { type TestServer, testOnServers } from '../helpers/server.ts';
import { openUserAgent, textOf } from '../helpers/user_agent.ts';

async function linkFor(server: TestServer, id: string, purpose: Purpose, address: string): Promise<string> {
  const user = (await findUser(server.db, id)) as User;
  const input = purpose === 'sign_up' || purpose === 'invite' ? {} : { user };
  const payload = { roles: [], permissions: [], tenant_id: null, inviter: { id: null }, expires_in: null };
  const given = purpose === 'invite' ? { payload } : {};
  const issued = await server.db.transaction((tx) =>
    issueCode(tx, keyring, { purpose, address, ...input, ...given }),
  );
  return issued.token;
}

type Ending = (server: TestServer, user: NamedUser, email: string) => Promise<unknown>;

const byLink =
  (purpose: Purpose, path: string): Ending =>
  async (server, { id }, email) => {
    const ua = openUserAgent(server.url);
    const page = await ua.open(`${server.url}/${path}/${await linkFor(server, id, purpose, email)}`);
    const done = await ua.submit(page, new URL(page.url).pathname, { address: email });
    if (done.status !== 200) throw new Error(done.text);
  };

const byAdmin =
  (json: object): Ending =>
  async (server, { id }) => {
    const admin = await enterAsAdmin(server);
    granted(await post(server, admin, `/users/${id}/password`, { ...json, reason: 'a test' }));
  };

const endings: Record<string, Ending> = {
  'a recovery': async (server, { id }, email) => {
    const token = await linkFor(server, id, 'recover', email);
    const answer = await api(server, 'POST /recovery/complete', undefined, {
      json: { token, new_password: fresh },
    });
    if (answer.status !== 204) throw new Error(answer.text);
  },
  'an undone change of the address': byLink('undo_email', 'undo-email'),
  '"this was not me"': byLink('not_me', 'not-me'),
  'a password that an administrator set': byAdmin({ password: fresh }),
  'a password that an administrator generated': byAdmin({ generate: true }),
};

async function approvedDevice(server: TestServer, user: NamedUser) {
  const client = {
    ...publicClient,
    redirect_uris: [],
    response_types: [],
    grant_types: [deviceGrant, 'refresh_token'],
  };
  const scene = await setUpScene(server, { client, user });
  const { user_code, device_code } = await oidc.initiateDeviceAuthorization(scene.config, {
    scope: 'openid',
  });
  const { ua } = scene;
  const typed = await ua.submit(await ua.open(`${server.url}/device`), '/device', { user_code });
  const login = await ua.submit(typed, '/device', { confirm: 'yes' });
  const consent = await typePassword(ua, login, user);
  const done = await ua.submit(consent, '/consent', { decision: 'allow' });
  if (!/connected/i.test(textOf(done))) throw new Error(done.text);
  return async () =>
    await oidc.genericGrantRequest(scene.config, deviceGrant, { device_code }).then(
      () => 'connected',
      (error: oidc.ResponseBodyError) => error.error,
    );
}

async function exchange({ config }: Scene, { back, started }: Awaited<ReturnType<typeof getCode>>) {
  return await oidc.authorizationCodeGrant(config, back, started.checks).then(
    () => 'exchanged',
    (error: oidc.ResponseBodyError) => error.error,
  );
}

for (const [name, end] of Object.entries(endings))
  testOnServers(`after ${name} nothing that was begun before goes on`, async (t, server) => {
    const user = await makeReachable(server.db);
    const app = await signIn(server, { user });
    const poll = await approvedDevice(server, user);
    const scene = await setUpScene(server, { user });
    const code = await getCode(scene);
    const waiting = await setUpScene(server, { user });
    const consent = await typePassword(waiting.ua, await openRequest(waiting), user);
    const silent = await setUpScene(server, { user, ua: scene.ua, client: { first_party: true } });

    await end(server, user, user.email);

    t.is(await exchange(scene, code), 'invalid_grant');
    t.is(await poll(), 'invalid_grant');
    t.is((await refresh(server, app.client, app.tokens.refresh_token)).status, 400);
    t.false(await isActive(server, app.tokens.access_token));
    t.regex(textOf(await scene.ua.open(`${server.url}/account`)), /Sign in/);
    const allowed = await waiting.ua.submit(consent, '/consent', { decision: 'allow' });
    t.falsy(allowed.location, 'a consent that waited leads to a login');
    const page = await openRequest(silent);
    t.true(
      page.forms.some(({ action }) => action.endsWith('/login')),
      'a browser session is over',
    );
    t.is((await typePassword(silent.ua, page, user)).status, 403, 'the old password opens nothing');
    const known = await server.db('sessions').where({ user_id: user.id }).whereNull('ended_at');
    t.deepEqual(
      known.filter(({ session_epoch }) => session_epoch > 0),
      [],
    );
  });

const doors: Record<string, string> = {
  recover: 'recover',
  verify_email: 'verify-email',
  undo_email: 'undo-email',
  not_me: 'not-me',
  sign_up: 'sign-up',
  invite: 'invitation',
};

testOnServers('a link does nothing at the door of another purpose', async (t, server) => {
  const user = await makeReachable(server.db);
  const before = await findUser(server.db, user.id);
  const ua = openUserAgent(server.url);
  for (const purpose of Object.keys(doors) as Purpose[]) {
    const address = purpose === 'sign_up' || purpose === 'invite' ? newAddress('other-door') : user.email;
    const token = await linkFor(server, user.id, purpose, address);
    for (const [other, path] of Object.entries(doors)) {
      const page = await ua.open(`${server.url}/${path}/${token}`);
      t.is(page.status, other === purpose ? 200 : 404, `${purpose} at ${path}`);
      if (other === purpose) continue;
      const fields = { address, login: address, username: user.username, password, new_password: fresh };
      const sent = await ua.send(`${server.url}/${path}/${token}`, {
        method: 'POST',
        body: new URLSearchParams(fields),
      });
      t.is(sent.status, 404, `${purpose} posted to ${path}`);
    }
    if (purpose === 'recover') continue;
    const json = { token, new_password: fresh };
    t.is((await api(server, 'POST /recovery/complete', undefined, { json })).status, 400, purpose);
  }
  t.deepEqual(await findUser(server.db, user.id), before);
});
