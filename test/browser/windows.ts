// One Chromium for a test file, and the common steps of its tests: open a window, sign in, return to a client.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { openBrowser, patience } from '../helpers/browser.ts';
import { type NamedUser, password } from '../helpers/builders.ts';
import { giveTime } from '../helpers/until.ts';

/** Opens a window with its own cookies; the window is closed after the test. */
export type OpenWindow = (t: ExecutionContext, options?: BrowserContextOptions) => Promise<Page>;

/** Starts a browser before the tests of this file. Its windows run no scripts, because our pages must work without them. */
export function useWindows(): OpenWindow {
  let browser: Browser;
  test.before(async (t) => {
    giveTime(t);
    browser = await openBrowser();
  });
  test.after.always(async () => await browser?.close());
  return async (t, options = {}) => {
    giveTime(t);
    const context = await browser.newContext({ javaScriptEnabled: false, ...options });
    context.setDefaultTimeout(patience);
    const page = await context.newPage();
    t.teardown(async () => {
      // The error of a step that timed out does not name the page.
      if (!t.passed) t.log(page.url(), await readPart(page.locator('body')).catch(String));
      await context.close();
    });
    return page;
  };
}

/** Starts a web server on loopback that answers every request with `html`, until the test ends; returns its origin. */
export async function serve(t: ExecutionContext, html: string): Promise<string> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(html);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Enters name and password on a login page and submits the form. */
export async function typeLogin(page: Page, { username }: Pick<NamedUser, 'username'>, typed = password) {
  await page.getByLabel('Username or e-mail').fill(username);
  await page.getByLabel('Password').fill(typed);
  await press(page, 'Sign in');
}

/** Presses the button of exactly this name. */
export async function press(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name, exact: true }).click();
}

/** The text of the page, in one line. */
export async function read(page: Page): Promise<string> {
  return await readPart(page.locator('main'));
}

/** The visible text of a part of the page, in one line. */
export async function readPart(part: Locator): Promise<string> {
  return (await part.allInnerTexts()).join(' ').replaceAll(/\s+/g, ' ').trim();
}

/** The heading of the page. */
export async function heading(page: Page): Promise<string> {
  return await readPart(page.locator('h1'));
}
