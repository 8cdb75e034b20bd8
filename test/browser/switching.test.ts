// A browser that several people use: the wrong user is signed in, and the right one can still sign in.
import * as oidc from 'openid-client';
import { makeUser } from '../helpers/builders.ts';
import { publicClient, setUpScene, startRequest } from '../helpers/code_flow.ts';
import { testOnServers } from '../helpers/server.ts';
import { heading, press, read, serve, typeLogin, useWindows } from './windows.ts';

const openWindow = useWindows();

testOnServers('another user signs in instead, and the request continues for that user', async (t, server) => {
  const redirect_uri = `${await serve(t, 'Back')}/callback`;
  const client = { redirect_uris: [redirect_uri], require_pushed_authorization_requests: true };
  const scene = await setUpScene(server, { client });
  const { parameters, checks } = await startRequest(scene, { redirect_uri });
  const window = await openWindow(t);
  await window.goto((await oidc.buildAuthorizationUrlWithPAR(scene.config, parameters)).href);
  const first = await makeUser(server.db);
  await typeLogin(window, first);
  t.true((await read(window)).includes(`Signed in as ${first.username}`));
  await press(window, 'Not you? Use another account');
  t.is(await heading(window), 'Sign in');
  await typeLogin(window, scene.user);
  t.true((await read(window)).includes(`Signed in as ${scene.user.username}`));
  await press(window, 'Allow');
  await window.waitForURL(`${redirect_uri}?*`);
  const tokens = await oidc.authorizationCodeGrant(scene.config, new URL(window.url()), checks);
  t.is(tokens.claims()?.sub, scene.user.id);
});

testOnServers(
  'another user enters the password where the signed-in user was asked to, with scripts or without',
  async (t, server) => {
    for (const javaScriptEnabled of [true, false]) {
      const redirect_uri = `${await serve(t, 'Back')}/callback`;
      const scene = await setUpScene(server, { client: { redirect_uris: [redirect_uri] } });
      const window = await openWindow(t, { javaScriptEnabled });
      await window.goto(`${server.url}/account`);
      await typeLogin(window, await makeUser(server.db));
      const { url, checks } = await startRequest(scene, { redirect_uri, prompt: 'login' });
      await window.goto(url.href);
      t.is(await heading(window), 'Confirm it’s you');
      await typeLogin(window, scene.user);
      if (!javaScriptEnabled) await press(window, 'Continue');
      await press(window, 'Allow');
      await window.waitForURL(`${redirect_uri}?*`);
      const tokens = await oidc.authorizationCodeGrant(scene.config, new URL(window.url()), checks);
      t.is(tokens.claims()?.sub, scene.user.id);
      await window.goto(`${server.url}/account`);
      t.true((await read(window)).includes(`Signed in as ${scene.user.username}`));
    }
  },
  ['sqlite'],
);

testOnServers(
  'a device is connected for the user who signs in instead',
  async (t, server) => {
    const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';
    const client = { ...publicClient, redirect_uris: [], response_types: [], grant_types: [deviceGrant] };
    const scene = await setUpScene(server, { client });
    const shown = await oidc.initiateDeviceAuthorization(scene.config, { scope: 'openid' });
    const window = await openWindow(t);
    await window.goto(shown.verification_uri_complete ?? '');
    await press(window, 'Continue');
    await press(window, 'Continue');
    await typeLogin(window, await makeUser(server.db));
    await press(window, 'Not you? Use another account');
    await typeLogin(window, scene.user);
    await press(window, 'Allow');
    t.is(await heading(window), 'Your device is connected');
    const { device_code } = shown;
    const tokens = await oidc.genericGrantRequest(scene.config, deviceGrant, { device_code });
    t.is(tokens.claims()?.sub, scene.user.id);
  },
  ['sqlite'],
);
