// The direct entrance to /token, /introspect and /revoke: for clients that authenticate with a name or a secret and send a form
// in its common shape. Any other request reaches the engine untouched, which authenticates the client or refuses it, and then
// calls the same functions.
import type { Context, Middleware } from 'koa';
import type { Registered } from '../core/clients/client_cache.ts';
import type { Deps } from '../core/deps.ts';
import { AppError } from '../lib/errors.ts';
import { authenticateClient, needsEngineAuth, readCredentials } from './client_auth.ts';
import { type Form, readForm } from './form_body.ts';
import { tidyValue } from './form_values.ts';
import { maxResources, withCurrentClient } from './grant.ts';

/** The parameters of a form: each that may be sent once, and the list of those that may be repeated. */
export interface ReadForm {
  form: Readonly<Record<string, string | undefined>>;
  resources: readonly string[];
}

/** One of our functions at the direct entrance. */
export interface DirectAction {
  /** The parameters that it reads; a request with any other one goes to the engine, which ignores or refuses it. */
  parameters: readonly string[];
  /** Whether an authenticated client may ask; otherwise the engine refuses. */
  allows: (known: Registered, read: ReadForm) => boolean;
  /** The body of a 200. Throws an AppError to refuse, and OutdatedClient to be called again with the current client. */
  answer: (ctx: Context, read: ReadForm, known: Registered) => Promise<object>;
}

/** The middleware of one endpoint; `choose` picks the action for a form. */
export function directEntrance(
  deps: Deps,
  endpoint: string,
  choose: (form: Form) => DirectAction | undefined,
): Middleware {
  const enter: Middleware = async (ctx, next) => {
    const body = await readForm(ctx);
    if (!body) return await next();
    const form = tidyForm(body.form);
    const action = choose(form);
    const read = action && readParameters(form, action.parameters);
    const answered = action && read && (await answerDirectly(deps, ctx, action, read));
    if (answered) {
      ctx.state.route = endpoint;
      ctx.body = answered;
      return;
    }
    body.giveBack();
    await next();
  };
  return (ctx, next) => {
    const isOurs = ctx.path === endpoint && ctx.method === 'POST' && !needsEngineAuth(ctx);
    return isOurs ? enter(ctx, next) : next();
  };
}

// Null leaves the request to the engine; nothing has been changed then.
async function answerDirectly(
  deps: Deps,
  ctx: Context,
  action: DirectAction,
  read: ReadForm,
): Promise<object | null> {
  const credentials = readCredentials(ctx, read.form);
  if (!credentials) return null;
  const find = async () => {
    const known = await authenticateClient(deps, ctx, credentials);
    // The document of a client that is described by one may have to be fetched again, which the engine does.
    if (!known || known.client.registered_by === 'document') return null;
    return action.allows(known, read) ? known : null;
  };
  try {
    const answer = await withCurrentClient(deps, find, (known) => action.answer(ctx, read, known));
    if (answer) openToPages(ctx);
    return answer;
  } catch (error) {
    ctx.state.route = ctx.path;
    openToPages(ctx);
    if (error instanceof AppError)
      ctx.state.refusal = { error: error.error, description: error.message, detail: error.logDetail };
    throw error;
  }
}

/**
 * Sets the headers that the engine would set. Called only once it is certain that the engine will not answer, because the
 * engine checks the origin itself unless these headers are set.
 */
function openToPages(ctx: Context): void {
  const { res } = ctx;
  res.setHeader('Vary', 'Origin');
  res.setHeader('Access-Control-Allow-Origin', ctx.headers.origin || '*');
  res.setHeader('Access-Control-Expose-Headers', 'WWW-Authenticate');
  res.setHeader('Cache-Control', 'no-store');
  // RFC 6749, 5.1.
  if (ctx.path === '/token') res.setHeader('Pragma', 'no-cache');
}

// A parameter that was sent more than once stays as it is, except for the list that may be.
function tidyForm(form: Form): Form {
  if (isTidy(form)) return form;
  const tidy = (name: string, value: string | string[] | undefined) =>
    Array.isArray(value) ? value.map((one) => tidyValue(name, one)) : value && tidyValue(name, value);
  return Object.fromEntries(Object.entries(form).map(([name, value]) => [name, tidy(name, value)]));
}

function isTidy(form: Form): boolean {
  for (const name in form) {
    const value = form[name];
    if (typeof value === 'string' ? tidyValue(name, value) !== value : !isTidyList(name, value)) return false;
  }
  return true;
}

function isTidyList(name: string, values: string[] | undefined): boolean {
  return values === undefined || values.every((value) => tidyValue(name, value) === value);
}

const byClients = ['client_id', 'client_secret'];

// Null when a parameter is unknown, was sent twice or is empty.
function readParameters({ resource, ...form }: Form, names: readonly string[]): ReadForm | null {
  const resources = [resource ?? []].flat();
  const isKnown = (name: string) => names.includes(name) || byClients.includes(name);
  if (resources.length > 0 && !names.includes('resource')) return null;
  if (resources.length > maxResources || resources.includes('')) return null;
  return isCommon(form, isKnown) && isScope(form.scope) ? { form, resources } : null;
}

function isCommon(
  form: Form,
  isKnown: (name: string) => boolean,
): form is Record<string, string | undefined> {
  return Object.entries(form).every(
    ([name, value]) => isKnown(name) && typeof value === 'string' && value !== '',
  );
}

// RFC 6749, 3.3: tokens of printable ASCII with single spaces between them.
function isScope(scope = 'none'): boolean {
  return /^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/.test(scope);
}
