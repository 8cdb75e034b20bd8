// Renders templates: each file is compiled once, escapes everything that it prints, and is wrapped in one layout.
import { join } from 'node:path';
import { Eta } from 'eta';
import { type Brand, defaultAccent, favicon, stylesheet } from './brand.ts';
import { escapeHtml, monogram } from './text.ts';
import { colorsOf } from './theme.ts';

/** The action of a form, and its hidden fields. */
export interface FormTarget {
  action: string;
  /** The CSRF token. Sent as `csrf`, but as `xsrf` on the pages whose forms the engine reads. */
  csrf: string;
  /** More hidden fields. */
  hidden?: Record<string, string>;
}

/** What the layout needs of a page. */
interface Frame {
  title: string;
  /** Set for pages with lists; pages with a single form are narrow. */
  isWide?: boolean;
  /** Whether something went wrong; the title then begins with "Problem", because a screen reader reads the title first. */
  hasProblem?: boolean;
  /** Whether its URL may hold a secret, which then goes nowhere in a `Referer`. */
  isOfLink?: boolean;
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

/** A form as the templates expect it: its action, and its hidden fields by name. */
export function formOf(
  target: FormTarget,
  csrfName = 'csrf',
): { action: string; fields: [string, string][] } {
  return { action: target.action, fields: Object.entries({ ...target.hidden, [csrfName]: target.csrf }) };
}
