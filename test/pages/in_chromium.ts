// The sample pages in a real Chromium: one browser and one gallery per test file.
import test, { type ExecutionContext } from 'ava';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { openBrowser, patience } from '../helpers/browser.ts';
import { type Gallery, openGallery } from './gallery.ts';

export interface OpenedPage {
  page: Page;
  /** The errors and warnings in the browser's console. */
  complaints: string[];
}

export interface Chromium {
  /** A page in its own browser context, 800 pixels high, closed after the test. */
  openPage(t: ExecutionContext, options?: BrowserContextOptions, width?: number): Promise<OpenedPage>;
  /** Opens a sample. */
  visit(page: Page, name: string): Promise<void>;
}

/** Opens browser and gallery before the tests of this file and closes them afterwards. */
export function useChromium(): Chromium {
  let browser: Browser;
  let gallery: Gallery;
  test.before(async () => {
    [browser, gallery] = await Promise.all([openBrowser(), openGallery()]);
  });
  test.after.always(async () => {
    await browser?.close();
    gallery?.close();
  });
  return {
    async openPage(t, options = {}, width = 390) {
      const context = await browser.newContext({ viewport: { width, height: 800 }, ...options });
      context.setDefaultTimeout(patience);
      t.teardown(async () => await context.close());
      const page = await context.newPage();
      return { page, complaints: listen(page) };
    },
    async visit(page, name) {
      await page.goto(`${gallery.origin}/${name}`);
    },
  };
}

/** A separate gallery for tests that submit forms. */
export async function useGallery(t: ExecutionContext): Promise<Gallery> {
  const gallery = await openGallery();
  t.teardown(() => gallery.close());
  return gallery;
}

function listen(page: Page): string[] {
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('requestfailed', (request) => complaints.push(`failed: ${request.url()}`));
  page.on('dialog', async (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    await dialog.dismiss();
  });
  return complaints;
}

// The part of the DOM that functions in `page.evaluate` use. The project does not load the DOM types, so that no code of the
// server uses them by mistake.

export interface PageElement {
  open: boolean;
  textContent: string;
  outerHTML: string;
  /** Form fields only. */
  labels?: Iterable<PageElement>;
  getAttribute(name: string): string | null;
  getBoundingClientRect(): { right: number; height: number };
}

export interface PageDocument {
  body: PageElement;
  documentElement: { scrollWidth: number };
  activeElement: PageElement | null;
  querySelectorAll(selector: string): Iterable<PageElement>;
  getElementById(id: string): PageElement | null;
}
