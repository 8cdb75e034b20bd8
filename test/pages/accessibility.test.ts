// Keyboard, screen reader, small phone, dark mode: what axe checks, and what it cannot check.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import test from 'ava';
import type { AxeResults, RunOptions } from 'axe-core';
import type { Page } from 'playwright-core';
import { type PageDocument, type PageElement, useChromium } from './in_chromium.ts';
import { samples } from './samples.ts';

declare const document: PageDocument;
declare const getComputedStyle: (element: PageElement) => { fontFamily: string; outline: string };
declare const axe: { run(options: RunOptions): Promise<AxeResults> };

const { openPage, visit } = useChromium();
const axeSource = readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const everything = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

async function violations(page: Page, only: string[]): Promise<string[]> {
  const found = await page.evaluate(async (runOnly) => await axe.run({ runOnly }), only);
  // Without any passed rule, axe would not have examined the page.
  if (found.passes.length === 0) return ['axe has examined nothing'];
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`);
}

// The looks differ only in what these rules check.
const visible = ['color-contrast', 'target-size', 'scrollable-region-focusable'];

for (const name of Object.keys(samples)) {
  // One after another: dozens of pages at once would not be faster.
  test.serial(`axe finds nothing on ${name}, light or dark, on a phone or on a desktop`, async (t) => {
    const { page } = await openPage(t, { bypassCSP: true, reducedMotion: 'reduce' });
    await visit(page, name);
    await page.addScriptTag({ content: await axeSource });
    // Folded parts are checked too.
    await page.evaluate(() => {
      for (const one of document.querySelectorAll('details')) one.open = true;
    });
    t.deepEqual(await violations(page, everything), []);
    for (const width of [320, 390, 1280]) {
      await page.setViewportSize({ width, height: 800 });
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        t.deepEqual(await violations(page, visible), [], `${width} px, ${colorScheme}`);
      }
    }
  });
}

test('nothing overflows on a phone, and touch targets are at least 44 pixels high', async (t) => {
  const { page } = await openPage(t, {}, 320);
  for (const name of Object.keys(samples)) {
    await visit(page, name);
    const [wide, small] = await page.evaluate(() => {
      const controls = 'button, summary, a.button, input:not([type=hidden], [hidden])';
      for (const one of document.querySelectorAll('details')) one.open = true;
      return [
        [...document.querySelectorAll('body *')]
          .filter((one) => one.getBoundingClientRect().right > 320.5)
          .map((one) => one.outerHTML.slice(0, 80)),
        [...document.querySelectorAll(controls)]
          .filter((one) => one.getBoundingClientRect().height < 44)
          .map((one) => one.outerHTML.slice(0, 80)),
      ];
    });
    t.deepEqual(wide, [], name);
    t.deepEqual(small, [], name);
    t.is(await page.evaluate(() => document.documentElement.scrollWidth), 320, name);
  }
});

/** The controls that the Tab key reaches, in order, from the initial focus to the end of the page. */
async function tabStops(page: Page): Promise<string[]> {
  const stops: string[] = [];
  for (let count = 0; count < 40; count += 1) {
    const stop = await page.evaluate(() => {
      const one = document.activeElement;
      if (!one || one === document.body) return null;
      const [label] = one.labels ?? [];
      return (one.textContent || label?.textContent || '').trim().replaceAll(/\s+/g, ' ');
    });
    if (stop === null && count > 0) break;
    if (stop !== null) stops.push(stop);
    await page.keyboard.press('Tab');
  }
  return stops;
}

const orders: Record<string, string[]> = {
  login: ['Username or e-mail', 'Password', 'Sign in', 'Back to Photo Printer'],
  login_wrong: ['Password', 'Sign in', 'Back to Photo Printer'],
  consent: ['Deny', 'Allow', 'Not you? Use another account', 'privacy policy', 'terms of service'],
  device_code: ['Code', 'Continue'],
  device_confirm: ['Cancel', 'Continue'],
  logout: ['Sign out', 'Stay signed in'],
  error: ['Go to your account', 'Details for developers'],
  account: [
    'Sign out',
    'Your devices',
    'Apps with access',
    'Password',
    'E-mail address',
    'Profile',
    'Your data',
    'Sign out Firefox on Linux',
    'Rename Ada’s phone',
    'Sign out of both apps Ada’s phone',
    'Sign out of Kindred Notes on Ada’s phone',
    'Sign out of Kindred Mail on Ada’s phone',
    'Rename Kitchen tablet',
    'Sign out Kitchen tablet',
    'Sign out of Backup on Backup',
    'Sign out of Backup on Backup',
    'Sign out Safari on iPhone',
    'Show all 6',
    'Sign out everywhere else',
    'Recently signed out',
    'Photo Printer',
    'Remove access for Photo Printer',
    'Current password',
    'New password',
    'Change password',
    'New e-mail address',
    'Current password',
    'Send a code',
    'Username',
    'Full name',
    'First name',
    'Last name',
    'Picture (https address)',
    'Language',
    'Time zone',
    'Update profile',
    'Download my data',
    'Delete account',
    'Connect a TV or another device',
  ],
};

for (const [name, order] of Object.entries(orders)) {
  test(`the keyboard reaches the controls of ${name} in reading order, and focus is visible`, async (t) => {
    const { page } = await openPage(t);
    await visit(page, name);
    t.deepEqual(await tabStops(page), order);
    await page.keyboard.press('Shift+Tab');
    const outline = await page.evaluate(
      () => getComputedStyle(document.activeElement ?? document.body).outline,
    );
    t.regex(outline, /solid [23]px$/);
  });
}

test('a screen reader reads a problem first', async (t) => {
  const { page } = await openPage(t);
  await visit(page, 'login_wrong');
  t.is(await page.title(), 'Problem: Sign in to continue to Photo Printer – Kindred');
  const field = page.locator('#password');
  t.true(await field.evaluate((one) => one === document.activeElement));
  const described = await field.evaluate(
    (one) => document.getElementById(one.getAttribute('aria-describedby') ?? '')?.textContent ?? '',
  );
  t.true(described.includes('Wrong username or password'));
  await visit(page, 'account_empty');
  // A browser follows `autofocus` with its next frame, which may come after the page has loaded.
  await page.locator('[role=alert]:focus').waitFor();
});
