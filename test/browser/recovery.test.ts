// A forgotten password in a real Chromium: by a person without scripts, and by a program that checks the links of a mail with scripts.
import type { Page } from 'playwright-core';
import { setUpScene, startRequest } from '../helpers/code_flow.ts';
import { fresh, mailedTo, makeReachable } from '../helpers/recovery.ts';
import { newestMail } from '../helpers/recovery_pages.ts';
import { type TestServer, testOnServers } from '../helpers/server.ts';
import { heading, press, read, serve, typeLogin, useWindows } from './windows.ts';

const openWindow = useWindows();
const phone = { viewport: { width: 390, height: 844 } };

async function askForMail(page: Page, name: string): Promise<void> {
  await page.getByRole('link', { name: 'Forgot password?' }).click();
  await page.getByLabel('Username or e-mail').fill(name);
  await press(page, 'Send the mail');
}

async function makeLink(server: TestServer, page: Page) {
  const user = await makeReachable(server.db);
  await page.goto(`${server.url}/account`);
  await askForMail(page, user.email);
  const { token } = await newestMail(server.db, user.email);
  return { user, token, url: `${server.url}/recover/${token}` };
}

testOnServers(
  'on a phone, the code of the mail leads back to the app in which the login began',
  async (t, server) => {
    const redirect_uri = `${await serve(t, '<!doctype html><title>Photo Printer</title>Back')}/callback`;
    const user = await makeReachable(server.db);
    const client = { client_name: 'Photo Printer', redirect_uris: [redirect_uri] };
    const scene = await setUpScene(server, { client, user });
    const page = await openWindow(t, phone);
    await page.goto((await startRequest(scene, { redirect_uri })).url.href);
    await askForMail(page, user.username.toUpperCase());
    t.is(await heading(page), 'Check your mail');
    const { code } = await newestMail(server.db, user.email);
    await page.getByLabel('Code').fill(code);
    await press(page, 'Continue');
    t.regex(await read(page), new RegExp(`for ${user.username} \\(${user.email}\\)`));
    await page.getByLabel('New password').fill('password');
    await press(page, 'Set the password');
    t.regex(await read(page), /This password is too common/);
    await page.getByLabel('New password').fill(fresh);
    await press(page, 'Set the password');
    t.is(await page.title(), 'Sign in to continue to Photo Printer – Kindred');
    t.regex(await read(page), /Password changed. Sign in with the new one./);
    await typeLogin(page, user, fresh);
    await press(page, 'Allow');
    await page.waitForURL(`${redirect_uri}?*`);
    t.truthy(new URL(page.url()).searchParams.get('code'));
  },
);

testOnServers(
  'a program with scripts that opens the link, follows what is there and sends the form untyped spends nothing',
  async (t, server) => {
    const person = await openWindow(t);
    const { user, url } = await makeLink(server, person);
    const before = await server.db('users').where({ id: user.id }).first('password_hash', 'token_version');
    const scanner = await openWindow(t, { javaScriptEnabled: true });
    const requested: string[] = [];
    scanner.on('request', (request) =>
      requested.push(`${request.method()} ${new URL(request.url()).origin}`),
    );
    await scanner.goto(url, { waitUntil: 'networkidle' });
    t.deepEqual(new Set(requested), new Set([`GET ${server.url}`]), 'nothing is loaded from elsewhere');
    for (const href of await scanner.locator('a[href]').evaluateAll((all) => all.map((one) => String(one))))
      await scanner.goto(href, { waitUntil: 'networkidle' });
    await scanner.goto(url);
    await scanner.locator('form').evaluate((form) => (form as unknown as { submit(): void }).submit());
    await scanner.getByText('Too short').waitFor();
    t.false((await scanner.context().cookies()).some(({ name }) => name.includes('session')));
    t.deepEqual(
      await server.db('users').where({ id: user.id }).first('password_hash', 'token_version'),
      before,
    );
    await person.goto(url);
    await person.getByLabel('New password').fill(fresh);
    await press(person, 'Set the password');
    t.regex(await read(person), /Password changed. Sign in with the new one./);
    await typeLogin(person, user, fresh);
    t.is(await heading(person), 'Your account');
  },
);

testOnServers('a link that was used says so and sends a new mail', async (t, server) => {
  const page = await openWindow(t);
  const { user, url } = await makeLink(server, page);
  await page.goto(url);
  await page.getByLabel('New password').fill(fresh);
  await press(page, 'Set the password');
  const other = await openWindow(t, phone);
  await other.goto(url);
  t.is(await heading(other), 'This link does not work any more');
  await other.getByLabel('Username or e-mail').fill(user.email);
  await press(other, 'Send a new mail');
  t.is(await heading(other), 'Check your mail');
  t.is((await mailedTo(server.db, user.email)).length, 2);
});
