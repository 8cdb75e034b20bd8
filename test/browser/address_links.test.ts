// The links of address mails in a real Chromium: a scanner with scripts changes nothing, a person gets through without them, on a phone.

import { issueCode } from '../../src/core/one_time_codes/one_time_codes.ts';
import type { Purpose } from '../../src/core/one_time_codes/purposes.ts';
import { keyring, makeUser } from '../helpers/builders.ts';
import { api, signIn } from '../helpers/oauth.ts';
import { type TestServer, testOnServers } from '../helpers/server.ts';
import { heading, press, read, typeLogin, useWindows } from './windows.ts';

const openWindow = useWindows();

const phone = { viewport: { width: 390, height: 844 } };

/** A signed-in user, and a link of this purpose to an address. */
async function makeLink(server: TestServer, purpose: Purpose, path: string) {
  const name = `${purpose.replace('_', '-')}-${server.store}`;
  const address = `${name}-former@x.example`;
  const user = await makeUser(server.db, {
    username: name,
    email: `${name}@x.example`,
    email_verified: true,
  });
  const request = purpose === 'verify_email' ? user.id : null;
  const { token } = await server.db.transaction((tx) =>
    issueCode(tx, keyring, { purpose, user, address, request }),
  );
  return { ...(await signIn(server, { user })), address, url: `${server.url}/${path}/${token}` };
}

async function emailOf({ db }: TestServer, { id }: { id: string }): Promise<string | null | undefined> {
  return (await db('users').where({ id }).first('email'))?.email;
}

for (const [purpose, path, button, restores] of [
  ['undo_email', 'undo-email', 'Restore my address', true],
  ['not_me', 'not-me', 'Secure my account', false],
] as const) {
  testOnServers(
    `a scanner that runs scripts and sends the form of /${path} changes nothing, a person does`,
    async (t, server) => {
      const { user, tokens, address, url } = await makeLink(server, purpose, path);
      const scanner = await openWindow(t, { javaScriptEnabled: true });
      const origins = new Set<string>();
      scanner.on('request', (request) => origins.add(new URL(request.url()).origin));
      await scanner.goto(url, { waitUntil: 'networkidle' });
      for (const href of await scanner.locator('a[href]').evaluateAll((all) => all.map(String)))
        await scanner.goto(href, { waitUntil: 'networkidle' });
      await scanner.goto(url);
      await press(scanner, button);
      // A script sends the form without what the browser asks for.
      await scanner.locator('form').evaluate((form) => (form as unknown as { submit(): void }).submit());
      await scanner.getByText('Our mail did not go to this address').waitFor();
      t.deepEqual(origins, new Set([server.url]), 'nothing is loaded from elsewhere');
      t.is((await api(server, 'GET /me', tokens.access_token)).status, 200);
      t.false((await scanner.context().cookies()).some(({ name }) => name.includes('session')));

      const person = await openWindow(t, phone);
      await person.goto(url);
      await person.getByLabel('The e-mail address that our mail went to').fill(address);
      await press(person, button);
      t.is(await heading(person), 'Your account is secured');
      t.is((await api(server, 'GET /me', tokens.access_token)).status, 401);
      t.is(await emailOf(server, user), restores ? address : user.email);
      await person.goto(url);
      t.is(await heading(person), 'This link does not work any more');
    },
  );
}

testOnServers('a new address is confirmed in the browser of its user, who types it', async (t, server) => {
  const { user, address, url } = await makeLink(server, 'verify_email', 'verify-email');
  const page = await openWindow(t, phone);
  await page.goto(`${server.url}/account`);
  await typeLogin(page, user);
  await page.goto(url);
  t.regex(await read(page), new RegExp(`address of your account ${user.username}`));
  await page.getByLabel('The new e-mail address').fill(user.email ?? '');
  await press(page, 'Confirm');
  t.regex(await read(page), /Our mail did not go to this address/);
  await page.getByLabel('The new e-mail address').fill(address);
  await press(page, 'Confirm');
  t.is(await heading(page), 'Your address is confirmed');
  t.is(await emailOf(server, user), address);
});
