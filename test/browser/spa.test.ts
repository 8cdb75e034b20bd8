// A single-page app with oidc-client-ts, an independent library, in a real Chromium with its same-origin policy.
import { fileURLToPath } from 'node:url';
import type { UserManager, UserManagerSettings } from 'oidc-client-ts';
import type { Page } from 'playwright-core';
import { makeClient, makeUser } from '../helpers/builders.ts';
import { isActive, refresh } from '../helpers/oauth.ts';
import { type TestServer, testOnServers } from '../helpers/server.ts';
import { heading, press, serve, typeLogin, useWindows } from './windows.ts';

declare const oidc: typeof import('oidc-client-ts');
declare const manager: UserManager;

const openWindow = useWindows();

type T = Parameters<typeof openWindow>[0];

const path = fileURLToPath(
  new URL('../browser/oidc-client-ts.min.js', import.meta.resolve('oidc-client-ts')),
);
const html = '<!doctype html><link rel="icon" href="data:,"><title>Notes</title>';

/** An app at its own origin, its user, and a window that shows it. */
async function openApp(t: T, server: TestServer) {
  const origin = await serve(t, html);
  const { client_id } = await makeClient(server.db, {
    first_party: false,
    client_name: 'Notes',
    redirect_uris: [`${origin}/callback`],
    post_logout_redirect_uris: [`${origin}/bye`],
    rotation_profile: 'spa',
  });
  const settings: UserManagerSettings = {
    authority: server.issuer,
    client_id,
    redirect_uri: `${origin}/callback`,
    post_logout_redirect_uri: `${origin}/bye`,
    scope: 'openid profile email',
    automaticSilentRenew: false,
  };
  const page = await openWindow(t, { javaScriptEnabled: true });
  await page.goto(`${origin}/`);
  await load(page, settings);
  return { page, settings, origin, client_id, user: await makeUser(server.db) };
}

/** Loads the library into the open page and creates a UserManager. */
async function load(page: Page, settings: UserManagerSettings): Promise<void> {
  await page.addScriptTag({ path });
  await page.evaluate((given) => {
    Object.assign(globalThis, { manager: new oidc.UserManager(given) });
  }, settings);
}

type App = Awaited<ReturnType<typeof openApp>>;

/** Goes from the app to our pages and back; returns the user that the library then has. */
async function logInAt({ page, settings, origin, user }: App) {
  await page.evaluate(() => void manager.signinRedirect());
  await typeLogin(page, user);
  await press(page, 'Allow');
  await page.waitForURL(`${origin}/callback?*`);
  await load(page, settings);
  return await page.evaluate(async () => {
    const { profile, access_token, refresh_token, id_token } = await manager.signinRedirectCallback();
    return { profile, access_token, refresh_token: refresh_token ?? '', id_token };
  });
}

/** What a page gets from `url` with this token: a body, or the error of a response that the browser blocks. */
async function ask(page: Page, url: string, token: string): Promise<unknown> {
  const asked = { url, headers: { Authorization: `Bearer ${token}` } };
  return await page.evaluate(async ({ url: address, headers }) => {
    return await fetch(address, { headers }).then(
      (response) => response.json(),
      (error: Error) => error.name,
    );
  }, asked);
}

testOnServers(
  'a single-page app signs in, refreshes silently, calls userinfo and signs out',
  async (t, server) => {
    const app = await openApp(t, server);
    const { page, user, client_id, origin } = app;
    const first = await logInAt(app);
    t.like(first.profile, { sub: user.id, aud: client_id, iss: server.issuer });
    const info = { sub: user.id, preferred_username: user.username };
    t.like(await ask(page, `${server.issuer}/userinfo`, first.access_token), info);

    const silent = await page.evaluate(async () => {
      const renewed = await manager.signinSilent();
      return {
        access: renewed?.access_token ?? '',
        refresh: renewed?.refresh_token ?? '',
        sub: renewed?.profile.sub,
      };
    });
    t.is(silent.sub, user.id);
    t.not(silent.refresh, first.refresh_token);
    t.not(silent.access, first.access_token);
    t.is(page.frames().length, 1, 'by the refresh token, not by a hidden frame');
    t.like(await ask(page, `${server.issuer}/userinfo`, silent.access), info);

    await page.evaluate(() => void manager.signoutRedirect());
    await page.waitForURL(`${origin}/bye*`);
    const after = await refresh(server, { client_id }, silent.refresh);
    t.deepEqual([after.status, after.body.reason], [400, 'session_ended']);
    t.false(await isActive(server, silent.access));
    await load(page, app.settings);
    await page.evaluate(() => void manager.signinRedirect());
    await page.getByLabel('Password').waitFor();
    t.is(await heading(page), 'Sign in', 'the browser is signed out too');
  },
);

testOnServers(
  'a page of another origin gets no response, even with stolen tokens, and changes nothing',
  async (t, server) => {
    const app = await openApp(t, server);
    const { access_token, refresh_token } = await logInAt(app);
    const stranger = await openWindow(t, { javaScriptEnabled: true });
    await stranger.goto(await serve(t, html));
    const userinfo = `${server.issuer}/userinfo`;
    t.is(await ask(stranger, userinfo, access_token), 'TypeError');
    const body = new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: app.client_id,
      refresh_token,
    }).toString();
    const stolen = await stranger.evaluate(
      async ({ url, form }) => {
        const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
        return await fetch(url, { method: 'POST', headers, body: form }).then(
          (response) => response.text(),
          (error: Error) => error.name,
        );
      },
      { url: `${server.issuer}/token`, form: body },
    );
    t.is(stolen, 'TypeError');
    const metadata = `${server.issuer}/.well-known/openid-configuration`;
    t.like(
      await ask(stranger, metadata, 'none'),
      { issuer: server.issuer },
      'public documents may be read by every origin',
    );
    const silent = await app.page.evaluate(async () => (await manager.signinSilent())?.refresh_token);
    t.truthy(silent, 'the refresh token was not spent');
  },
  ['sqlite'],
);
