// The account page in a real Chromium without scripts: each button has the effect on devices and apps that it names.
import * as oidc from 'openid-client';
import type { Page } from 'playwright-core';
import { makeClient, makeUser, type NamedUser, password } from '../helpers/builders.ts';
import { logIn, setUpScene, startRequest } from '../helpers/code_flow.ts';
import { api, isActive, login, refresh, signIn } from '../helpers/oauth.ts';
import { type TestServer, testOnOwnServers, testOnServers } from '../helpers/server.ts';
import { heading, press, read, readPart, serve, typeLogin, useWindows } from './windows.ts';

const openWindow = useWindows();

type T = Parameters<typeof openWindow>[0];

/** A window in which `user` has signed in at the account page. */
async function enterAccount(t: T, server: TestServer, user: NamedUser): Promise<Page> {
  const page = await openWindow(t);
  await page.goto(`${server.url}/account`);
  await typeLogin(page, user);
  t.is(await heading(page), 'Your account');
  return page;
}

/** A user with a phone and a tablet, each signed in by password in a first-party app. */
async function withTwoDevices(server: TestServer) {
  const client = await makeClient(server.db, { client_name: 'Kindred Mail' });
  const phone = await signIn(server, {
    client,
    form: { device_id: 'phone', device_name: 'Old phone', platform: 'android' },
  });
  const { user } = phone;
  const form = { device_id: 'tablet', device_name: 'Kitchen tablet', platform: 'ios' };
  return { user, phone, tablet: await signIn(server, { user, client, form }) };
}

testOnServers(
  'two apps on one device are shown as one device, and each can be signed out alone',
  async (t, server) => {
    const form = { device_id: 'laptop', device_name: 'Laptop', platform: 'macos' };
    const mail = await signIn(server, { client: await makeClient(server.db, { client_name: 'Mail' }), form });
    const { user } = mail;
    const notes = await signIn(server, {
      user,
      client: await makeClient(server.db, { client_name: 'Notes' }),
      form,
    });
    const page = await enterAccount(t, server, user);
    const devices = page.getByRole('region', { name: 'Your devices' });
    const names = async () => await devices.getByRole('heading', { level: 3 }).allInnerTexts();
    t.deepEqual(await names(), ['Chrome on Linux This device', 'Laptop']);
    await press(page, 'Sign out of Mail on Laptop');
    t.regex(await read(page), /Signed out of that app\. The device may still be signed in to others\./);
    t.deepEqual(await nextCalls(server, mail), dead('session_ended'));
    t.deepEqual(await nextCalls(server, notes), alive);
    const again = await signIn(server, { user, client: mail.client, form });
    await page.reload();
    await press(page, 'Sign out of both apps Laptop');
    t.regex(await read(page), /That device was signed out\./);
    t.deepEqual((await names()).slice(0, 1), ['Chrome on Linux This device']);
    for (const one of [again, notes]) t.is((await nextCalls(server, one)).api, 401);
  },
);

testOnServers(
  'five devices are shown, and the others on request',
  async (t, server) => {
    const client = await makeClient(server.db);
    const { user } = await signIn(server, { client, form: { device_id: '0', device_name: 'Device 0' } });
    for (const at of [1, 2, 3, 4, 5, 6])
      await signIn(server, { user, client, form: { device_id: String(at), device_name: `Device ${at}` } });
    const page = await enterAccount(t, server, user);
    const first = page.getByRole('heading', { name: 'Device 0' });
    t.false(await first.isVisible());
    await page.locator('summary', { hasText: 'Show all 8' }).click();
    t.true(await first.isVisible());
  },
  ['sqlite'],
);

testOnServers(
  'an app whose server refreshes is shown under the browser of its login, and no app is named after an HTTP library',
  async (t, server) => {
    const redirect_uri = `${await serve(t, 'Back')}/callback`;
    const client = { first_party: true, client_name: 'Shop', redirect_uris: [redirect_uri] };
    const scene = await setUpScene(server, { client });
    const window = await openWindow(t);
    const { url, checks } = await startRequest(scene, { redirect_uri });
    await window.goto(url.href);
    await typeLogin(window, scene.user);
    await window.waitForURL(`${redirect_uri}?*`);
    const tokens = await oidc.authorizationCodeGrant(scene.config, new URL(window.url()), checks);
    await oidc.refreshTokenGrant(scene.config, tokens.refresh_token ?? '');
    await signIn(server, { user: scene.user, client: await makeClient(server.db, { client_name: 'Robot' }) });
    await window.goto(`${server.url}/account`);
    const devices = window.getByRole('region', { name: 'Your devices' });
    const names = await devices.getByRole('heading', { level: 3 }).allInnerTexts();
    t.deepEqual(names, ['Chrome on Linux This device', 'Robot']);
    t.regex(
      await readPart(devices),
      /This device .*Shop Last used .*signed in on \d+ \w+ \d{4} at \d\d:\d\d UTC/,
    );
  },
);

type Device = Awaited<ReturnType<typeof signIn>>;

/** The results of a device's next refresh and next API call. */
async function nextCalls(server: TestServer, { client, tokens }: Device) {
  const refreshed = await refresh(server, client, tokens.refresh_token);
  const called = await api(server, 'GET /me', tokens.access_token);
  return { refresh: [refreshed.status, refreshed.body.reason], api: called.status };
}

const dead = (reason: string) => ({ refresh: [400, reason], api: 401 });
const alive = { refresh: [200, undefined], api: 200 };

testOnServers('signing out another device on the account page ends its session', async (t, server) => {
  const { user, phone, tablet } = await withTwoDevices(server);
  const page = await enterAccount(t, server, user);
  const devices = page.getByRole('region', { name: 'Your devices' });
  const before = (await devices.getByRole('heading', { level: 3 }).allInnerTexts()).toSorted();
  t.deepEqual(before, ['Chrome on Linux This device', 'Kitchen tablet', 'Old phone']);
  await devices.locator('summary', { hasText: 'Rename Kitchen tablet' }).click();
  await devices.getByLabel('New name of Kitchen tablet').fill('Ada’s <tablet>');
  await press(page, 'Save');
  t.regex(await read(page), /Device renamed\./);
  t.deepEqual(await devices.getByRole('heading', { name: 'Ada’s <tablet>' }).count(), 1);

  await press(page, 'Sign out Old phone');
  t.regex(await read(page), /That device was signed out\./);
  t.deepEqual(await nextCalls(server, phone), dead('session_ended'));
  t.deepEqual(await nextCalls(server, tablet), alive);
  await page.getByText('Recently signed out').click();
  t.regex(await readPart(devices), /Old phone .*Signed out by you/);
});

testOnServers(
  'the page shows why a device was signed out, and unfolds the list after reuse',
  async (t, server) => {
    const { user, phone } = await withTwoDevices(server);
    const { client, tokens } = phone;
    await refresh(server, client, tokens.refresh_token);
    await refresh(server, client, tokens.refresh_token);
    const page = await enterAccount(t, server, user);
    const reason = page.getByText('someone may have copied this sign-in');
    t.true(await reason.isVisible());
  },
  ['sqlite'],
);

testOnServers(
  'changing the password needs the current one and a strong new one, and signs out everything else',
  async (t, server) => {
    const { user, phone, tablet } = await withTwoDevices(server);
    const [page, elsewhere] = [await enterAccount(t, server, user), await enterAccount(t, server, user)];
    const change = async (current: string, next: string) => {
      const form = page.getByRole('region', { name: 'Password', exact: true });
      await form.getByLabel('Current password').fill(current);
      await form.getByLabel('New password').fill(next);
      await press(page, 'Change password');
      return await read(page);
    };
    t.regex(await change('not the password', 'a new and long enough one'), /Wrong current password/);
    t.regex(await change(password, 'short'), /Too short: use at least 8 characters/);
    t.regex(await change(password, 'password1'), /This password is too common/);
    t.deepEqual((await nextCalls(server, phone)).api, 200, 'nothing has happened so far');
    t.regex(await change(password, 'a new and long enough one'), /Password changed/);
    for (const one of [phone, tablet]) t.is((await nextCalls(server, one)).api, 401);
    await elsewhere.reload();
    t.is(await heading(elsewhere), 'Sign in', 'another browser is signed out');
    await page.reload();
    t.is(await heading(page), 'Your account', 'this browser is not signed out');
    t.is((await login(server, user, phone.client)).status, 400);
    await typeLogin(elsewhere, user, 'a new and long enough one');
    t.is(await heading(elsewhere), 'Your account');
  },
  ['sqlite'],
);

testOnServers(
  'an app whose access is withdrawn is signed out and asks for consent again',
  async (t, server) => {
    const scene = await setUpScene(server, { client: { client_name: 'Photo Printer' } });
    const tokens = await logIn(scene);
    const page = await enterAccount(t, server, scene.user);
    const apps = page.getByRole('region', { name: 'Apps with access' });
    t.regex(await readPart(apps), /Photo Printer.*See your username/);
    await apps.locator('summary').click();
    await press(page, 'Yes, remove access for Photo Printer');
    t.regex(await read(page), /Access removed\. The app has been signed out on all devices\./);
    t.regex(await readPart(apps), /You have not given access to any app/);
    const refused = await t.throwsAsync(oidc.refreshTokenGrant(scene.config, tokens.refresh_token ?? ''));
    t.like(refused, { error: 'invalid_grant' });
    t.false(await isActive(server, tokens.access_token));
  },
  ['sqlite'],
);

testOnServers(
  'signing out everywhere else keeps this browser signed in, until it signs out too',
  async (t, server) => {
    const { user, phone, tablet } = await withTwoDevices(server);
    const [page, elsewhere] = [await enterAccount(t, server, user), await enterAccount(t, server, user)];
    await page.reload();
    await page.locator('summary', { hasText: 'Sign out everywhere else' }).click();
    t.regex(await read(page), /signs you out on 3 other devices/);
    await press(page, 'Sign out all other devices');
    t.regex(await read(page), /You are now signed out everywhere else\./);
    for (const one of [phone, tablet]) t.deepEqual(await nextCalls(server, one), dead('session_ended'));
    await elsewhere.reload();
    t.is(await heading(elsewhere), 'Sign in');
    await press(page, 'Sign out');
    t.is(await heading(page), 'You are signed out');
    await page.getByRole('link', { name: 'Sign in again' }).click();
    t.is(await heading(page), 'Sign in');
  },
  ['sqlite'],
);

testOnServers(
  'signing out in a browser that is already signed out is confirmed',
  async (t, server) => {
    const page = await enterAccount(t, server, await makeUser(server.db));
    await page.context().clearCookies();
    await press(page, 'Sign out');
    t.is(await heading(page), 'You are signed out');
  },
  ['sqlite'],
);

testOnOwnServers(
  'the page warns before the last attempt at the current password',
  { RATE_LIMITS: 'memory' },
  async (t, server) => {
    const page = await enterAccount(t, server, await makeUser(server.db));
    const attempt = async () => {
      const form = page.getByRole('region', { name: 'Password', exact: true });
      await form.getByLabel('Current password').fill('not the password');
      await form.getByLabel('New password').fill('a new and long enough one');
      await press(page, 'Change password');
      return await read(page);
    };
    t.notRegex(await attempt(), /one attempt left/);
    t.regex(await attempt(), /Wrong current password\. You have one attempt left, then you have to wait\./);
    await attempt();
    t.regex(await attempt(), /Too many attempts\. Try again in 60 minutes\./);
  },
);
