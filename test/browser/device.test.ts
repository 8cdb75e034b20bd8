// The device flow: a device polls over HTTP while its owner enters the code in a browser.
import * as oidc from 'openid-client';
import type { Page } from 'playwright-core';
import { publicClient, type Scene, setUpScene } from '../helpers/code_flow.ts';
import { type TestServer, testOnServers } from '../helpers/server.ts';
import { heading, press, read, readPart, typeLogin, useWindows } from './windows.ts';

const openWindow = useWindows();

type T = Parameters<typeof openWindow>[0];

const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';
const television = {
  ...publicClient,
  client_name: 'Television',
  redirect_uris: [],
  response_types: [],
  grant_types: [deviceGrant, 'refresh_token'],
};

/** A television that shows a code, and the window of its owner. */
async function showCode(t: T, server: TestServer) {
  const scene = await setUpScene(server, { client: television });
  const shown = await oidc.initiateDeviceAuthorization(scene.config, { scope: 'openid profile' });
  return { scene, shown, window: await openWindow(t) };
}

/** The response to the television's poll: tokens or an error. */
async function poll({ config }: Scene, { device_code }: oidc.DeviceAuthorizationResponse) {
  const asked = oidc.genericGrantRequest(config, deviceGrant, { device_code });
  return await asked.catch((error: oidc.ResponseBodyError) => error.error);
}

async function typeCode(page: Page, code: string): Promise<void> {
  await page.getByLabel('Code').fill(code);
  await press(page, 'Continue');
}

testOnServers('entering the code and allowing access signs the device in', async (t, server) => {
  const { scene, shown, window } = await showCode(t, server);
  t.is(await poll(scene, shown), 'authorization_pending');
  await window.goto(shown.verification_uri);
  await typeCode(window, 'BCDF-GHJK');
  t.regex(await read(window), /That code doesn’t match/);
  await typeCode(window, shown.user_code.toLowerCase().replace('-', ' '));
  t.is(await heading(window), 'Is this your device?');
  const confirm = await read(window);
  t.true(confirm.includes(shown.user_code));
  t.regex(confirm, /sign it in to Television/);
  await press(window, 'Continue');
  await typeLogin(window, scene.user);
  t.regex(await heading(window), /Television would like access/);
  t.is(await poll(scene, shown), 'authorization_pending');
  await press(window, 'Allow');
  t.is(await heading(window), 'Your device is connected');
  t.regex(await read(window), /Television will continue automatically/);
  const tokens = await poll(scene, shown);
  if (typeof tokens === 'string') return t.fail(tokens);
  t.is(tokens.claims()?.sub, scene.user.id);

  await window.getByRole('link', { name: 'See all your devices' }).click();
  t.is(await heading(window), 'Your account');
  const devices = window.getByRole('region', { name: 'Your devices' });
  t.regex(await readPart(devices), /Television/);
  await devices.getByRole('button', { name: 'Sign out Television' }).click();
  t.regex(await read(window), /Signed out of that app/);
  await t.throwsAsync(oidc.refreshTokenGrant(scene.config, tokens.refresh_token ?? ''));
});

testOnServers(
  'cancelling at the code or at the consent leaves the device signed out',
  async (t, server) => {
    const first = await showCode(t, server);
    await first.window.goto(first.shown.verification_uri_complete ?? '');
    await press(first.window, 'Continue');
    t.is(await heading(first.window), 'Is this your device?');
    await press(first.window, 'Cancel');
    t.is(await heading(first.window), 'Your device was not connected');
    t.is(await poll(first.scene, first.shown), 'access_denied');
    await first.window.getByRole('link', { name: 'Enter another code' }).click();
    t.is(await heading(first.window), 'Connect a device');

    const second = await showCode(t, server);
    await second.window.goto(second.shown.verification_uri);
    await typeCode(second.window, second.shown.user_code);
    await press(second.window, 'Continue');
    await typeLogin(second.window, second.scene.user);
    await press(second.window, 'Deny');
    t.is(await heading(second.window), 'Your device was not connected');
    t.is(await poll(second.scene, second.shown), 'access_denied');
    t.deepEqual(await server.db('sessions').where({ client_id: second.scene.client_id }), []);
  },
  ['sqlite'],
);
