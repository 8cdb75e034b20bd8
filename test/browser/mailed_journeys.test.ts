// Sign-up, recovery and the change of an address from end to end in a real Chromium, by a person without scripts on a desktop and on a
// phone, with the mails that a mail server received. Axe checks every page on the way.
import type { ExecutionContext } from 'ava';
import type { Page } from 'playwright-core';
import { linkOf, linkTo, mailTo, newAddress } from '../helpers/address_change.ts';
import { makeUser, password } from '../helpers/builders.ts';
import { type MailServer, type ReceivedMail, testWithMail } from '../helpers/mail_server.ts';
import { fresh, wrongCode } from '../helpers/recovery.ts';
import type { TestServer } from '../helpers/server.ts';
import { violationsWithoutScripts } from './axe.ts';
import { heading, press, read, typeLogin, useWindows } from './windows.ts';

const openWindow = useWindows();

// One store for each: the pages are the same.
const looks = {
  desktop: { store: 'postgres', viewport: { width: 1_280, height: 800 }, colorScheme: 'light' },
  phone: { store: 'sqlite', viewport: { width: 390, height: 844 }, colorScheme: 'dark' },
} as const;

interface Journey {
  t: ExecutionContext;
  server: TestServer;
  mail: MailServer;
  page: Page;
  /** Expects this heading, and that the page fits its window and axe finds nothing on it. */
  at: (title: string, page?: Page) => Promise<void>;
  /** Another window of the same size. */
  openOther: () => Promise<Page>;
}

function onEveryScreen(title: string, walk: (journey: Journey) => Promise<void>): void {
  for (const [name, { store, ...look }] of Object.entries(looks)) {
    const run = async (t: ExecutionContext, server: TestServer, mail: MailServer) => {
      const [page, checker] = await Promise.all([
        openWindow(t, look),
        openWindow(t, { ...look, javaScriptEnabled: true, bypassCSP: true, reducedMotion: 'reduce' }),
      ]);
      const at = async (expected: string, shown = page) => {
        t.is(await heading(shown), expected);
        t.deepEqual(await violationsWithoutScripts(shown, checker), [], expected);
        t.is(await checker.evaluate('document.documentElement.scrollWidth'), look.viewport.width, expected);
      };
      await walk({ t, server, mail, page, at, openOther: () => openWindow(t, look) });
    };
    testWithMail(`on a ${name}, ${title}`, run, [store]);
  }
}

const codeOf = ({ code }: ReceivedMail): string => code ?? '';

async function enterCode(page: Page, code: string, button: string): Promise<void> {
  await page.getByLabel('Code').fill(code);
  await press(page, button);
}

onEveryScreen('a new person signs up with the code and then signs in', async (journey) => {
  const { t, server, mail, page, at } = journey;
  const email = newAddress('newcomer');
  await page.goto(`${server.url}/account`);
  await page.getByRole('link', { name: 'Create account' }).click();
  await at('Create account');
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill(password);
  await press(page, 'Continue');
  await at('Check your mail');
  const code = codeOf(await mailTo(mail, email));
  await enterCode(page, wrongCode(code), 'Create account');
  await at('Check your mail');
  t.regex(await read(page), /This code is wrong/);
  await enterCode(page, code, 'Create account');
  await at('Your account is ready');
  await page.getByRole('link', { name: 'Sign in' }).click();
  await typeLogin(page, { username: email });
  await at('Your account');
});

onEveryScreen('the link of a sign-up asks for a password of its own', async (journey) => {
  const { server, mail, page, at, openOther } = journey;
  const email = newAddress('newcomer');
  await page.goto(`${server.url}/sign-up`);
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill(password);
  await press(page, 'Continue');
  const other = await openOther();
  await other.goto(linkOf(await mailTo(mail, email)));
  await at('Create your account', other);
  await other.getByLabel('Password').fill(fresh);
  await press(other, 'Create account');
  await at('Your account is ready', other);
  await other.getByRole('link', { name: 'Sign in' }).click();
  await typeLogin(other, { username: email }, fresh);
  await at('Your account', other);
});

onEveryScreen('a forgotten password is replaced, by the code or by the link', async (journey) => {
  const { t, server, mail, page, at, openOther } = journey;
  const email = newAddress('forgetful');
  const user = await makeUser(server.db, { email, email_verified: true });
  await page.goto(`${server.url}/account`);
  await page.getByRole('link', { name: 'Forgot password?' }).click();
  await at('Forgot your password?');
  await page.getByLabel('Username or e-mail').fill(user.username);
  await press(page, 'Send the mail');
  await at('Check your mail');
  const first = await mailTo(mail, email);
  await enterCode(page, wrongCode(codeOf(first)), 'Continue');
  await at('Check your mail');
  await press(page, 'Send another mail');
  const [, second] = await mail.to(email, 2);
  await enterCode(page, codeOf(first), 'Continue');
  await at('Set a new password');
  await page.getByLabel('New password').fill(fresh);
  await press(page, 'Set the password');
  await at('Sign in');
  t.regex(await read(page), /Password changed. Sign in with the new one./);
  await typeLogin(page, user, fresh);
  await at('Your account');

  const other = await openOther();
  await other.goto(linkOf(second ?? first));
  await at('This link does not work any more', other);
  await other.getByLabel('Username or e-mail').fill(email);
  await press(other, 'Send a new mail');
  await other.goto(await newestLink(mail, email, '/recover/', 3));
  await at('Set a new password', other);
  await other.getByLabel('New password').fill(password);
  await press(other, 'Set the password');
  await typeLogin(other, user, password);
  await at('Your account', other);
});

/** The link with this path in the newest of `count` mails that have one. */
async function newestLink(mail: MailServer, email: string, path: string, count: number): Promise<string> {
  for (let wanted = count; ; wanted += 1) {
    const links = (await mail.to(email, wanted)).flatMap((one) =>
      one.links.filter((url) => url.includes(path)),
    );
    if (links.length >= count) return links.at(-1) ?? '';
  }
}

onEveryScreen('an address is changed, and the old one takes the account back', async (journey) => {
  const { t, server, mail, page, at, openOther } = journey;
  const [email, next] = [newAddress('before'), newAddress('after')];
  const user = await makeUser(server.db, { email, email_verified: true });
  await page.goto(`${server.url}/account`);
  await typeLogin(page, user);
  const section = page.locator('section[aria-labelledby=email]');
  await section.getByLabel('New e-mail address').fill(next);
  await section.getByLabel('Current password').fill(password);
  await press(page, 'Send a code');
  await page.getByRole('link', { name: 'Enter the code' }).click();
  await page.locator('#email-code:focus').waitFor();
  const { code, links } = await mailTo(mail, next, '/verify-email/');
  await enterCode(page, wrongCode(code ?? ''), 'Confirm address');
  await at('Your account');
  t.regex(await read(page), /The code is wrong, was used, or has expired/);
  const stranger = await openOther();
  await stranger.goto(linkOf({ links }));
  await at('Confirm your address', stranger);
  await page.goto(linkOf({ links }));
  await at('Confirm your address');
  await page.getByLabel('The new e-mail address').fill(next);
  await press(page, 'Confirm');
  await at('Your address is confirmed');
  await page.getByRole('link', { name: 'Go to your account' }).click();
  t.true((await read(page)).includes(next));

  const owner = await openOther();
  await owner.goto(await linkTo(mail, email, '/undo-email/'));
  await at('Undo the change of your address', owner);
  await owner.getByLabel('The e-mail address that our mail went to').fill(email);
  await press(owner, 'Restore my address');
  await at('Your account is secured', owner);
  await page.goto(`${server.url}/account`);
  await at('Sign in');
  await owner.goto(await linkTo(mail, email, '/recover/'));
  await owner.getByLabel('New password').fill(fresh);
  await press(owner, 'Set the password');
  await typeLogin(owner, { username: email }, fresh);
  await at('Your account', owner);
});
