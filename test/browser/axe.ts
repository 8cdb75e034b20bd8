// What axe finds on a page of a running server.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { AxeResults, RunOptions } from 'axe-core';
import type { Page } from 'playwright-core';

declare const axe: { run(options: RunOptions): Promise<AxeResults> };

const source = readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** Loads axe into the page, whose window needs `javaScriptEnabled` and `bypassCSP`. */
export async function loadAxe(page: Page): Promise<void> {
  await page.addScriptTag({ content: await source });
}

/** The violations on the page as it looks now. */
export async function violationsOn(page: Page): Promise<string[]> {
  const { violations, passes } = await page.evaluate(async (runOnly) => await axe.run({ runOnly }), tags);
  const found = violations.map(({ id, nodes }) => `${id} ${nodes[0]?.html}`);
  return passes.length === 0 ? [...found, 'axe did not look'] : found;
}

/** The violations on a page whose window runs no scripts: `checker`, another window, shows the same document. */
export async function violationsWithoutScripts(page: Page, checker: Page): Promise<string[]> {
  const [url, body] = [page.url(), await page.content()];
  await checker.route(url, (route) => route.fulfill({ contentType: 'text/html; charset=utf-8', body }));
  await checker.goto(url);
  await checker.unroute(url);
  await loadAxe(checker);
  return (await violationsOn(checker)).map((one) => `${new URL(url).pathname}: ${one}`);
}
