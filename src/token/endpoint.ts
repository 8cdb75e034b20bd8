// The fast entrances: the common refresh, login and introspection, from the form to the answer without the engine, which takes
// several times as long. A fast entrance answers nothing but success (a login also that a password is wrong). Whatever it does
// not know or would refuse goes to the engine untouched, so that there is one place that refuses, and one that knows proofs,
// ID tokens and the rest. What is decided is decided by the same functions on both; test/token/*.test.ts hold them
// against each other.
import type { Context, Middleware } from 'koa';
import type { Deps } from '../core/deps.ts';
import { type Credentials, isConstrained, readCredentials } from './client_auth.ts';
import { type Form, readForm } from './form_body.ts';

/** Parameters that were each sent once; those by which a client says who it is are among them. */
export type Given = Readonly<Record<string, string | undefined>>;

export interface FastEntrance {
  /** The parameters that it understands; with any other the request is the engine's. */
  parameters: readonly string[];
  /** The body of a 200, or null when the engine is to answer. Nothing may have changed then. */
  answer: (ctx: Context, form: Given, credentials: Credentials) => Promise<object | null>;
}

/** The middleware of the fast entrances of one endpoint; `choose` picks by what the form says. */
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

/** The headers that the engine would set; not before it is certain who answers: it asks for the origin while nobody has. */
export function openToPages(ctx: Context): void {
  const { res } = ctx;
  res.setHeader('Vary', 'Origin');
  res.setHeader('Access-Control-Allow-Origin', ctx.headers.origin || '*');
  res.setHeader('Access-Control-Expose-Headers', 'WWW-Authenticate');
  res.setHeader('Cache-Control', 'no-store');
}

const byClients = ['client_id', 'client_secret'];

// Each parameter known, sent once, and not empty.
function isPlain(form: Form, names: readonly string[]): form is Given {
  return Object.entries(form).every(
    ([name, value]) =>
      (names.includes(name) || byClients.includes(name)) && typeof value === 'string' && value !== '',
  );
}
