// The user's browser: it goes from the app to the pages of Kindred and back, and answers them as a person does.
import { openUserAgent, type Page, textOf, type UserAgent } from '../../helpers/user_agent.ts';
import type { Person } from './kindred.ts';

export interface Browser {
  ua: UserAgent;
  /** A GET that follows every redirect, to the app and to Kindred. */
  open(url: string): Promise<Page>;
  /** Sends a form of the page, with its hidden fields, and follows every redirect. */
  submit(page: Page, action: string, fields?: Record<string, string>): Promise<Page>;
  /** Opens an address and answers login and consent until the browser is back at the app. */
  logIn(url: string, person: Person): Promise<Page>;
  /** Opens an address and answers the pages; the redirect to `app`, whose port is closed, is returned. */
  logInTo(app: string, url: string, person: Person): Promise<URL>;
  /** Answers login and consent from a page on. */
  answer(page: Page, person: Person): Promise<Page>;
  /** The answers of the app to `count` requests that are sent at the same time. */
  openAtOnce(url: string, count: number): Promise<Page[]>;
}

const mostHops = 20;

/** A browser without cookies. */
export function openBrowser(): Browser {
  const ua = openUserAgent('http://nowhere.invalid');
  // The address at which the browser stops; an app that does not listen.
  let end: string | null = null;
  async function follow(page: Page): Promise<Page> {
    let at = page;
    for (let hop = 0; at.location && !(end && at.location.startsWith(end)); hop += 1) {
      if (hop === mostHops) throw new Error(`too many redirects at ${at.location}`);
      at = await ua.send(at.location);
    }
    return at;
  }
  const open = async (url: string) => await follow(await ua.send(url));
  const submit = async (page: Page, action: string, fields: Record<string, string> = {}) =>
    await follow(await ua.post(page, action, fields));
  async function answer(page: Page, { username, password }: Person): Promise<Page> {
    let at = page;
    if (hasForm(at, '/login')) at = await submit(at, '/login', { username, password });
    if (hasForm(at, '/consent')) at = await submit(at, '/consent', { decision: 'allow' });
    return at;
  }
  return {
    ua,
    open,
    submit,
    answer,
    async logInTo(app, url, person) {
      end = app;
      const { location, status, text } = await answer(await open(url), person);
      end = null;
      if (!location) throw new Error(`no redirect to ${app}: ${status} ${text.slice(0, 2000)}`);
      return new URL(location);
    },
    logIn: async (url, person) => await answer(await open(url), person),
    openAtOnce: async (url, count) => await Promise.all(Array.from({ length: count }, () => open(url))),
  };
}

export function hasForm(page: Page, action: string): boolean {
  return page.forms.some((form) => form.action.endsWith(action));
}

/** The JSON of an answer of the app; another status than 200 fails the test with the text. */
export function jsonOf<Body = Record<string, unknown>>(page: Page): Body {
  if (page.status !== 200) throw new Error(`${page.url}: ${page.status} ${textOf(page).slice(0, 2000)}`);
  try {
    return JSON.parse(page.text);
  } catch {
    throw new Error(`${page.url} is no JSON: ${textOf(page).slice(0, 2000)}`);
  }
}
