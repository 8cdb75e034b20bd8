// The account page in a real Chromium without scripts: what its buttons say is what devices and apps then feel.
import * as oidc from 'openid-client';
import type { Page } from 'playwright-core';
import type { User } from '../../src/core/users.ts';
import { makeClient, makeUser, password } from '../helpers/builders.ts';
import { api, isActive, login, refresh, signIn } from '../helpers/oauth.ts';
import { type TestServer, testOnServers } from '../helpers/server.ts';
import { logIn, setScene } from '../third_party/code_flow.ts';
import { heading, press, read, readPart, typeLogin, useWindows } from './windows.ts';

const openWindow = useWindows();

type T = Parameters<typeof openWindow>[0];

/** A window in which `user` has signed in at the account page. */
async function enterAccount(t: T, server: TestServer, user: User): Promise<Page> {
  const page = await openWindow(t);
  await page.goto(`${server.url}/account`);
  await typeLogin(page, user);
  t.is(await heading(page), 'Your account');
  return page;
}

/** Somebody with a phone and a tablet, each signed in by password in an app of ours. */
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

type Device = Awaited<ReturnType<typeof signIn>>;

/** What a device's next refresh and next call of the API come to. */
async function nextCalls(server: TestServer, { client, tokens }: Device) {
  const refreshed = await refresh(server, client, tokens.refresh_token);
  const called = await api(server, 'GET /me', tokens.access_token);
  return { refresh: [refreshed.status, refreshed.body.reason], api: called.status };
}

const dead = (reason: string) => ({ refresh: [400, reason], api: 401 });
const alive = { refresh: [200, undefined], api: 200 };

testOnServers('who signs out the other device on the account page signs it out', async (t, server) => {
  const { user, phone, tablet } = await withTwoDevices(server);
  const page = await enterAccount(t, server, user);
  const devices = page.getByRole('region', { name: 'Your devices' });
  const before = (await devices.getByRole('heading', { level: 3 }).allInnerTexts()).toSorted();
  t.deepEqual(before, ['Kitchen tablet', 'Old phone']);
  await devices.locator('summary', { hasText: 'Rename Kitchen tablet' }).click();
  await devices.getByLabel('New name of Kitchen tablet').fill('Ada’s <tablet>');
  await press(page, 'Save');
  t.regex(await read(page), /The device has its new name\./);
  t.deepEqual(await devices.getByRole('heading', { name: 'Ada’s <tablet>' }).count(), 1);

  await press(page, 'Sign out Old phone');
  t.regex(await read(page), /That device is signed out\./);
  t.deepEqual(await nextCalls(server, phone), dead('session_ended'));
  t.deepEqual(await nextCalls(server, tablet), alive);
  await page.getByText('Recently signed out').click();
  t.regex(await readPart(devices), /Old phone .*You signed it out/);
});

testOnServers(
  'why a device was signed out is shown, and reuse is shown without asking',
  async (t, server) => {
    const { user, phone } = await withTwoDevices(server);
    const { client, tokens } = phone;
    await refresh(server, client, tokens.refresh_token);
    await refresh(server, client, tokens.refresh_token);
    const page = await enterAccount(t, server, user);
    const reason = page.getByText('an old sign-in was used a second time');
    t.true(await reason.isVisible());
  },
  ['sqlite'],
);

testOnServers(
  'a new password takes the old one and a good one, and signs out everything else',
  async (t, server) => {
    const { user, phone, tablet } = await withTwoDevices(server);
    const [page, elsewhere] = [await enterAccount(t, server, user), await enterAccount(t, server, user)];
    const change = async (current: string, next: string) => {
      await page.getByLabel('Current password').fill(current);
      await page.getByLabel('New password').fill(next);
      await press(page, 'Change password');
      return await read(page);
    };
    t.regex(await change('not the password', 'a new and long enough one'), /not your current password/);
    t.regex(await change(password, 'short'), /Too short: a password has at least 8/);
    t.regex(await change(password, 'password1'), /one of the first that anybody would try/);
    t.deepEqual((await nextCalls(server, phone)).api, 200, 'nothing has happened so far');
    t.regex(await change(password, 'a new and long enough one'), /Your password is changed/);
    for (const one of [phone, tablet]) t.is((await nextCalls(server, one)).api, 401);
    await elsewhere.reload();
    t.is(await heading(elsewhere), 'Sign in', 'another browser is out');
    await page.reload();
    t.is(await heading(page), 'Your account', 'this one is not');
    t.is((await login(server, user, phone.client)).status, 400);
    await typeLogin(elsewhere, user, 'a new and long enough one');
    t.is(await heading(elsewhere), 'Your account');
  },
  ['sqlite'],
);

testOnServers(
  'an app whose access is withdrawn is out, and asks again',
  async (t, server) => {
    const scene = await setScene(server, { client: { client_name: 'Photo Printer' } });
    const tokens = await logIn(scene);
    const page = await enterAccount(t, server, scene.user);
    const apps = page.getByRole('region', { name: 'Apps with access' });
    t.regex(await readPart(apps), /Photo Printer.*See your username/);
    await press(page, 'Withdraw access of Photo Printer');
    t.regex(await read(page), /The app has no access any more/);
    t.regex(await readPart(apps), /You have not given any app access/);
    const refused = await t.throwsAsync(oidc.refreshTokenGrant(scene.config, tokens.refresh_token ?? ''));
    t.like(refused, { error: 'invalid_grant' } as never);
    t.false(await isActive(server, tokens.access_token));
  },
  ['sqlite'],
);

testOnServers(
  'who signs out everywhere else keeps only this browser, and then signs out here',
  async (t, server) => {
    const { user, phone, tablet } = await withTwoDevices(server);
    const [page, elsewhere] = [await enterAccount(t, server, user), await enterAccount(t, server, user)];
    await page.reload();
    await press(page, 'Sign out everywhere else');
    t.regex(await read(page), /2 other devices are signed out\./);
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
  'who signs out where the browser was signed out already is signed out',
  async (t, server) => {
    const page = await enterAccount(t, server, await makeUser(server.db));
    await page.context().clearCookies();
    await press(page, 'Sign out');
    t.is(await heading(page), 'You are signed out');
  },
  ['sqlite'],
);
