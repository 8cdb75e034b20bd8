// A program that checks the links of every kind of mail in a real Chromium, with scripts: it opens them, follows what is there and sends
// every form as it finds it. Nothing may be spent, and nobody signed in.
import type { Page } from 'playwright-core';
import { linkPaths } from '../../src/lib/link_paths.ts';
import { askFor, changeAddress, newAddress, signInProved } from '../helpers/address_change.ts';
import { enterAsAdmin, post } from '../helpers/admin.ts';
import { send } from '../helpers/client.ts';
import { type MailServer, testOnOwnMailServers } from '../helpers/mail_server.ts';
import { signIn } from '../helpers/oauth.ts';
import type { TestServer } from '../helpers/server.ts';
import { requestSignUp } from '../helpers/sign_up.ts';
import { until } from '../helpers/until.ts';
import { heading, useWindows } from './windows.ts';

const openWindow = useWindows();

/** Causes a mail with each kind of link; returns one link of each. */
async function makeLinks(server: TestServer, mail: MailServer): Promise<string[]> {
  const who = await signInProved(server, newAddress('owner'));
  const email = newAddress('changed');
  await changeAddress(server, mail, who, email);
  await signIn(server, { ...who, form: { device_id: 'another' } });
  await askFor(server, who, newAddress('pending'));
  await send(`${server.url}/api/recovery`, { json: { login: email } });
  await requestSignUp(server, { email: newAddress('asking') });
  await post(server, await enterAsAdmin(server), '/invitations', {
    email: newAddress('invited'),
    roles: ['editor'],
  });
  const newest = () =>
    linkPaths.flatMap(
      (path) => mail.mails.flatMap(({ links }) => links).findLast((url) => url.includes(`/${path}/`)) ?? [],
    );
  await until(async () => newest().length === linkPaths.length, 'a link of every kind');
  return newest();
}

/** What a link could change. Figures of use are left out, since nobody signs in. */
async function stateOf({ db }: TestServer): Promise<unknown> {
  return {
    users: await db('users').orderBy('id'),
    codes: await db('one_time_codes').orderBy('id'),
    sessions: await db('sessions').orderBy('id').select('id', 'user_id', 'ended_at'),
    signedIn: await db('oidc_models').where({ model: 'Session' }).whereNotNull('user_id').select('id'),
  };
}

/** Opens a page and sends each of its forms untyped, past what the browser checks. */
async function sendForms(page: Page, url: string): Promise<void> {
  await page.goto(url, { waitUntil: 'networkidle' });
  const count = await page.locator('form').count();
  for (let at = 0; at < count; at += 1) {
    await page.goto(url);
    const answered = page.waitForEvent('load');
    const form = page.locator('form').nth(at);
    await form.evaluate((one) => (one as unknown as { submit(): void }).submit());
    await answered;
  }
}

testOnOwnMailServers(
  'a program that opens every link of every mail, follows what is there and sends every form spends nothing',
  { settings: { SIGN_UP: 'open' } },
  async (t, server, mail) => {
    const links = await makeLinks(server, mail);
    const [before, mails] = [await stateOf(server), mail.mails.length];
    const scanner = await openWindow(t, { javaScriptEnabled: true });
    let posts = 0;
    scanner.on('request', (request) => {
      if (request.method() === 'POST') posts += 1;
    });
    const seen = new Set<string>();
    for (const link of links) {
      await scanner.goto(link);
      const found = await scanner.locator('a[href]').evaluateAll((all) => all.map(String));
      for (const url of [link, ...found].filter((one) => !seen.has(one))) {
        seen.add(url);
        await sendForms(scanner, url);
      }
    }
    t.true(posts >= links.length, `${posts} forms were sent`);
    t.deepEqual(await stateOf(server), before);
    t.is(mail.mails.length, mails, 'and no mail is sent');
    await scanner.goto(`${server.url}/account`);
    t.is(await heading(scanner), 'Sign in');
    for (const link of links) t.is((await scanner.goto(link))?.status(), 200, link);
  },
);
