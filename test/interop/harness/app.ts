// What every client of a web app is asked to do: log in, go on with an expired token, log out.
import type { ExecutionContext } from 'ava';
import { freePort } from '../../helpers/server_process.ts';
import { untilTime } from '../../helpers/until.ts';
import { type Browser, hasForm, jsonOf } from './browser.ts';
import type { Kindred } from './kindred.ts';
import { example } from './pages.ts';

/** Seconds; an access token of these clients expires between two requests of a test. */
export const accessTokenTtl = 1;

/** What an operator changes in a client, so that a test need not wait for long. */
export const shortLived = { access_token_ttl: accessTokenTtl };

export interface AppAddress {
  url: string;
  port: number;
  /** The example addresses of the pages and what stands for them. */
  values: Record<string, string>;
}

/** A free port for an app, and its address in place of the example one. */
export async function chooseAddress(
  { issuer }: Kindred,
  more: Record<string, string> = {},
): Promise<AppAddress> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  return { url, port, values: { [example.issuer]: issuer, [example.app]: url, ...more } };
}

/**
 * Opens `url` with an expired access token, `counts` requests at a time. Every answer is a 200 of the app with JSON: the user
 * stays logged in.
 */
export async function useAfterExpiry(
  t: ExecutionContext,
  browser: Browser,
  url: string,
  counts = [1, 5, 5],
): Promise<void> {
  for (const count of counts) {
    await untilTime(Date.now() + accessTokenTtl * 1000 + 100);
    const pages = await browser.openAtOnce(url, count);
    t.deepEqual(
      pages.map((page) => [page.status, page.url, page.status === 200 ? '' : page.text.slice(0, 500)]),
      Array(count).fill([200, url, '']),
    );
    for (const page of pages) jsonOf(page);
  }
}

/**
 * Logs out at the app; afterwards the app asks for a login, and so does Kindred. An app that sends its ID token as a hint
 * signs the user out at once; without a hint Kindred `asks`.
 */
export async function logOutOf(
  t: ExecutionContext,
  browser: Browser,
  { issuer }: Kindred,
  { logout, home, asks = false }: { logout: string; home: string; asks?: boolean },
): Promise<void> {
  const end = await browser.open(logout);
  t.is(hasForm(end, '/logout/confirm'), asks, 'Kindred asks');
  if (asks) await browser.submit(end, '/logout/confirm', { logout: 'yes' });
  const page = await browser.open(home);
  t.true(page.url.startsWith(`${issuer}/interaction/`), `${page.url} asks for a login`);
}
