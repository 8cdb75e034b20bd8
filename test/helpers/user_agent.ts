// A browser without a screen: keeps cookies by name and path, follows redirects within the server and reads forms.

export interface PageForm {
  action: string;
  /** Its hidden fields. */
  fields: Record<string, string>;
}

export interface Page {
  url: string;
  status: number;
  headers: Headers;
  text: string;
  /** The absolute URL of the redirect. */
  location: string | null;
  forms: PageForm[];
}

export interface Cookie {
  name: string;
  value: string;
  path: string;
}

export type Fields = Record<string, string>;

export interface UserAgent {
  cookies: Map<string, Cookie>;
  /** One request; no redirect is followed. */
  send(url: string, init?: RequestInit): Promise<Page>;
  /** A GET that follows redirects until it reaches a page or another server. */
  open(url: string): Promise<Page>;
  /** Sends the form whose action ends with `action`, with its hidden fields, and follows redirects. */
  submit(page: Page, action: string, fields?: Fields): Promise<Page>;
  /** The same without following redirects. */
  post(page: Page, action: string, fields?: Fields): Promise<Page>;
}

/** A fresh browser for the server at `base`. */
export function openUserAgent(base: string, headers: Record<string, string> = {}): UserAgent {
  const cookies = new Map<string, Cookie>();
  async function send(url: string, init: RequestInit = {}): Promise<Page> {
    const { pathname } = new URL(url);
    const cookie = cookiesFor(cookies, pathname);
    const response = await fetch(url, {
      redirect: 'manual',
      ...init,
      headers: { ...headers, ...(cookie ? { cookie } : {}), ...(init.headers as Record<string, string>) },
    });
    for (const line of response.headers.getSetCookie()) keepCookie(cookies, line);
    return await read(url, response);
  }
  async function follow(page: Page): Promise<Page> {
    let at = page;
    for (let hops = 0; at.location?.startsWith(`${base}/`); hops += 1) {
      if (hops === 10) throw new Error(`too many redirects at ${at.location}`);
      at = await send(at.location);
    }
    return at;
  }
  async function post(page: Page, action: string, fields: Fields = {}): Promise<Page> {
    const form = formOf(page, action);
    return await send(form.action, {
      method: 'POST',
      body: new URLSearchParams({ ...form.fields, ...fields }),
    });
  }
  return {
    cookies,
    send,
    post,
    open: async (url) => await follow(await send(url)),
    submit: async (page, action, fields) => await follow(await post(page, action, fields)),
  };
}

/** The form of the page whose action ends with `action`; a page without it fails the test with its text. */
export function formOf(page: Page, action: string): PageForm {
  const form = page.forms.find((one) => one.action.endsWith(action));
  if (!form) throw new Error(`no form for ${action} at ${page.url} (${page.status}): ${textOf(page)}`);
  return form;
}

/** The visible text, in one line. */
export function textOf({ text }: Page): string {
  const main = /<main[\s\S]*<\/main>/.exec(text)?.[0] ?? text;
  return readEntities(main.replaceAll(/<(style|script)[\s\S]*?<\/\1>|<[^>]*>/g, ' '))
    .replaceAll(/\s+/g, ' ')
    .trim();
}

async function read(url: string, response: Response): Promise<Page> {
  const location = response.headers.get('location');
  const text = await response.text();
  return {
    url,
    status: response.status,
    headers: response.headers,
    text,
    location: location === null ? null : new URL(location, url).href,
    forms: readForms(text, url),
  };
}

/** The forms of a page at `url`. */
export function readForms(text: string, url: string): PageForm[] {
  return [...text.matchAll(/<form\b[^>]*>[\s\S]*?<\/form>/g)].map(([form]) => readForm(form, url));
}

function readForm(form: string, url: string): PageForm {
  const inputs = [...form.matchAll(/<input\b[^>]*>/g)].map(([tag]) => tag);
  const hidden = inputs.filter((tag) => attribute(tag, 'type') === 'hidden');
  return {
    action: new URL(attribute(form, 'action'), url).href,
    fields: Object.fromEntries(hidden.map((tag) => [attribute(tag, 'name'), attribute(tag, 'value')])),
  };
}

function attribute(tag: string, name: string): string {
  return readEntities(new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1] ?? '');
}

function readEntities(html: string): string {
  const named: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"' };
  return html
    .replaceAll(/&#(x?)([0-9a-f]+);/gi, (_, hex, code) =>
      String.fromCodePoint(Number.parseInt(code, hex ? 16 : 10)),
    )
    .replaceAll(/&(amp|lt|gt|quot);/g, (_, name: string) => named[name] ?? '');
}

/** Takes one `Set-Cookie` header. */
export function keepCookie(cookies: Map<string, Cookie>, line: string): void {
  const [pair = '', ...attributes] = line.split('; ');
  const [name = ''] = pair.split('=', 1);
  const value = pair.slice(name.length + 1);
  const said = (what: string) =>
    attributes.find((one) => one.toLowerCase().startsWith(`${what}=`))?.slice(what.length + 1);
  const path = said('path') ?? '/';
  const isOver = value === '' || Date.parse(said('expires') ?? '9999-01-01') <= Date.now();
  if (isOver) cookies.delete(`${name};${path}`);
  else cookies.set(`${name};${path}`, { name, value, path });
}

/** The `Cookie` header for a path; empty when none is sent. */
export function cookiesFor(cookies: Map<string, Cookie>, pathname: string): string {
  const sent = [...cookies.values()].filter(({ path }) => isBelow(pathname, path));
  return sent.map(({ name, value }) => `${name}=${value}`).join('; ');
}

function isBelow(pathname: string, path: string): boolean {
  return pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`);
}
