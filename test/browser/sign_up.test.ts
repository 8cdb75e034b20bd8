// Sign-up and invitations in a real Chromium: by a person without scripts, and by a program that checks the links of a mail with scripts.
import { enterAsAdmin } from '../helpers/admin.ts';
import { password } from '../helpers/builders.ts';
import { setUpScene, startRequest } from '../helpers/code_flow.ts';
import { inviteTo } from '../helpers/invitations.ts';
import { rowOf } from '../helpers/rows.ts';
import { testOnServers } from '../helpers/server.ts';
import { askForAccount, mailsTo, newAddress } from '../helpers/sign_up.ts';
import { heading, press, read, serve, typeLogin, useWindows } from './windows.ts';

const openWindow = useWindows();
const phone = { viewport: { width: 390, height: 844 } };

testOnServers('on a phone, a new person gets an account and goes on to the app', async (t, server) => {
  const redirect_uri = `${await serve(t, '<!doctype html><title>Photo Printer</title>Back')}/callback`;
  const client = { client_name: 'Photo Printer', redirect_uris: [redirect_uri] };
  const scene = await setUpScene(server, { client });
  const email = newAddress();
  const page = await openWindow(t, phone);
  await page.goto((await startRequest(scene, { redirect_uri })).url.href);
  await page.getByRole('link', { name: 'Create account' }).click();
  t.is(await heading(page), 'Create account');
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill('password');
  await press(page, 'Continue');
  t.regex(await read(page), /This password is too common/);
  await page.getByLabel('Password').fill(password);
  await press(page, 'Continue');
  t.is(await heading(page), 'Check your mail');
  const [mail] = await mailsTo(server, email);
  await page.getByLabel('Code').fill(mail?.code ?? '');
  await press(page, 'Create account');
  t.is(await heading(page), 'Your account is ready');
  await page.getByRole('link', { name: 'Sign in' }).click();
  t.is(await page.title(), 'Sign in to continue to Photo Printer – Kindred');
  await typeLogin(page, { ...scene.user, username: email }, password);
  await press(page, 'Allow');
  await page.waitForURL(`${redirect_uri}?*`);
  t.truthy(new URL(page.url()).searchParams.get('code'));
});

testOnServers(
  'a program that opens the links, follows them and sends their forms untyped spends nothing',
  async (t, server) => {
    const admin = await enterAsAdmin(server);
    const [invited, asking] = [newAddress(), newAddress()];
    const invitation = await inviteTo(server, admin, { email: invited, roles: ['editor'] });
    const { mail } = await askForAccount(t, server, { email: asking });
    const scanner = await openWindow(t, { javaScriptEnabled: true });
    const links = [invitation.url, `${server.url}${mail.path}`];
    for (const link of links) {
      await scanner.goto(link, { waitUntil: 'networkidle' });
      const found = await scanner.locator('a[href]').evaluateAll((all) => all.map((one) => String(one)));
      for (const href of found) await scanner.goto(href, { waitUntil: 'networkidle' });
      await scanner.goto(link);
      const answered = scanner.waitForResponse((one) => one.request().method() === 'POST');
      await scanner.getByLabel('Password').evaluate((input) => input.removeAttribute('required'));
      await scanner.locator('form button').click();
      t.is((await answered).status(), 400);
    }
    for (const email of [invited, asking]) t.is(await server.db('users').where({ email }).first(), undefined);
    await scanner.goto(`${server.url}/account`);
    t.is(await heading(scanner), 'Sign in', 'nobody is signed in');
    const person = await openWindow(t);
    for (const link of links) {
      await person.goto(link);
      await person.getByLabel('Password').fill(password);
      await press(person, 'Create account');
      t.is(await heading(person), 'Your account is ready');
    }
    t.deepEqual((await rowOf(server.db('users').where({ email: invited }).first())).roles, ['editor']);
  },
);
