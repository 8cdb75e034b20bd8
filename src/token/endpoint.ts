// The fast entrance: answers the common refresh, login and introspection without the engine, which takes several times as
// long. It answers only successes and, at a login, a wrong password. Every other request reaches the engine unchanged, so that
// one place refuses and one place knows proofs and ID tokens. Both decide by the same functions of src/core;
// test/token/*.test.ts compare their answers.
import type { Context, Middleware } from 'koa';
import type { Deps } from '../core/deps.ts';
import { type Credentials, isConstrained, readCredentials } from './client_auth.ts';
import { type Form, readForm } from './form_body.ts';

/** The parameters of a form, each sent once, including those that authenticate the client. */
export type Given = Readonly<Record<string, string | undefined>>;

export interface FastEntrance {
  /** The parameters that it understands; a request with any other one goes to the engine. */
  parameters: readonly string[];
  /** The body of a 200. Null leaves the request to the engine; nothing may have been changed then. */
  answer: (ctx: Context, form: Given, credentials: Credentials) => Promise<object | null>;
}

/** The middleware of one endpoint; `choose` picks the entrance for a form. */
export function fastEntrance(
  deps: Deps,
  endpoint: string,
  choose: (form: Form) => FastEntrance | undefined,
): Middleware {
  return async (ctx, next) => {
    if (ctx.path !== endpoint || ctx.method !== 'POST' || isConstrained(deps, ctx)) return await next();
    const read = await readForm(ctx);
    if (!read) return await next();
    const path = choose(read.form);
    const form = path && isPlain(read.form, path.parameters) ? read.form : null;
    const credentials = form && readCredentials(ctx, form);
    const body = credentials && (await path?.answer(ctx, form, credentials));
    if (!body) {
      read.giveBack();
      return await next();
    }
    ctx.state.route = endpoint;
    openToPages(ctx);
    ctx.body = body;
  };
}

/**
 * Sets the headers that the engine would set. Called only once it is certain that the engine will not answer, because the
 * engine checks the origin itself unless these headers are set.
 */
export function openToPages(ctx: Context): void {
  const { res } = ctx;
  res.setHeader('Vary', 'Origin');
  res.setHeader('Access-Control-Allow-Origin', ctx.headers.origin || '*');
  res.setHeader('Access-Control-Expose-Headers', 'WWW-Authenticate');
  res.setHeader('Cache-Control', 'no-store');
}

const byClients = ['client_id', 'client_secret'];

// Whether each parameter is known, was sent once and is not empty.
function isPlain(form: Form, names: readonly string[]): form is Given {
  return Object.entries(form).every(
    ([name, value]) =>
      (names.includes(name) || byClients.includes(name)) && typeof value === 'string' && value !== '',
  );
}
