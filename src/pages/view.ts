// Templates: files that are compiled once, print everything escaped, and stand in one layout.
import { join } from 'node:path';
import { Eta } from 'eta';
import { type Brand, defaultAccent, favicon, stylesheet } from './brand.ts';
import { escapeHtml, monogram } from './text.ts';
import { colorsOf } from './theme.ts';

/** Where a form goes, and what it carries unseen. */
export interface FormTarget {
  action: string;
  /** Proves that the form came from our page. Sent as `csrf`, but as `xsrf` on the pages whose forms the engine reads. */
  csrf: string;
  /** More hidden fields. */
  hidden?: Record<string, string>;
}

/** What the layout wants to know of a page. */
interface Frame {
  title: string;
  /** Pages with lists are wider than pages with a question. */
  isWide?: boolean;
  /** Whether something went wrong; said first in the title, which a screen reader reads first. */
  hasProblem?: boolean;
}

const eta = new Eta({
  views: join(import.meta.dirname, 'templates'),
  cache: true,
  autoTrim: false,
  escapeFunction: escapeHtml,
});

/** Renders the template of this name with `it` = `data` into a whole document. */
export function renderPage(brand: Brand, template: string, frame: Frame, data: object): string {
  const base = brand.basePath ?? '';
  const { light, dark } = colorsOf(brand.accent ?? defaultAccent);
  return eta.render(template, {
    ...data,
    frame: {
      ...frame,
      brandName: brand.name,
      logoUrl: brand.logoUrl,
      monogram: monogram(brand.name),
      stylesheet: base + stylesheet(brand).path,
      icon: base + favicon(brand).path,
      colors: { light: light.page, dark: dark.page },
    },
  });
}

/** A form of the template: its action, and its hidden fields by name. */
export function formOf(
  target: FormTarget,
  csrfName = 'csrf',
): { action: string; fields: [string, string][] } {
  return { action: target.action, fields: Object.entries({ ...target.hidden, [csrfName]: target.csrf }) };
}
