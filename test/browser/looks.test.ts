// The pages of a running server, checked by axe in every look. SCREENSHOTS=folder also saves a picture of each.
import { join } from 'node:path';
import * as oidc from 'openid-client';
import type { Page } from 'playwright-core';
import { setUpScene, startRequest } from '../helpers/code_flow.ts';
import { signIn } from '../helpers/oauth.ts';
import { testOnServers } from '../helpers/server.ts';
import { loadAxe, violationsOn } from './axe.ts';
import { press, serve, typeLogin, useWindows } from './windows.ts';

const openWindow = useWindows();
const folder = process.env.SCREENSHOTS;

const looks = [
  { name: 'phone_light', width: 390, colorScheme: 'light' },
  { name: 'desktop_dark', width: 1280, colorScheme: 'dark' },
] as const;

/** The violations that axe finds on the open page, in every look. */
async function lookAt(page: Page, name: string): Promise<string[]> {
  const found: string[] = [];
  await loadAxe(page);
  for (const look of looks) {
    await page.setViewportSize({ width: look.width, height: 800 });
    await page.emulateMedia({ colorScheme: look.colorScheme, reducedMotion: 'reduce' });
    found.push(...(await violationsOn(page)).map((one) => `${name}, ${look.name}: ${one}`));
    if (folder) await page.screenshot({ path: join(folder, `${name}_${look.name}.png`), fullPage: true });
  }
  return found;
}

testOnServers(
  'axe finds no violation on the pages of a running server',
  async (t, server) => {
    const redirect_uri = `${await serve(t, 'Back')}/callback`;
    const client = {
      client_name: 'Photo Printer',
      redirect_uris: [redirect_uri],
      grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
    };
    const scene = await setUpScene(server, { client });
    const page = await openWindow(t, { javaScriptEnabled: true, bypassCSP: true });
    await page.goto((await startRequest(scene, { redirect_uri })).url.href);
    t.deepEqual(await lookAt(page, 'login'), []);
    await typeLogin(page, scene.user, 'wrong');
    t.deepEqual(await lookAt(page, 'login_wrong'), []);
    await typeLogin(page, scene.user);
    t.deepEqual(await lookAt(page, 'consent'), []);
    await press(page, 'Allow');
    await page.waitForURL(`${redirect_uri}?*`);
    await page.goBack();
    t.deepEqual(await lookAt(page, 'expired'), []);
    const shown = await oidc.initiateDeviceAuthorization(scene.config, { scope: 'openid' });
    await page.goto(shown.verification_uri);
    t.deepEqual(await lookAt(page, 'device'), []);
    await page.getByLabel('Code').fill(shown.user_code);
    await press(page, 'Continue');
    t.deepEqual(await lookAt(page, 'device_confirm'), []);
    const form = { device_id: 'phone', device_name: 'Ada’s phone', platform: 'ios' };
    await signIn(server, { user: scene.user, form });
    await page.goto(`${server.url}/account`);
    t.deepEqual(await lookAt(page, 'account'), []);
    await page.goto(`${server.url}/logout`);
    t.deepEqual(await lookAt(page, 'logout'), []);
    await press(page, 'Sign out');
    t.deepEqual(await lookAt(page, 'logged_out'), []);
  },
  ['sqlite'],
);
