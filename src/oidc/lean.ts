// The lean paths: the common refresh and the common introspection, from the form to the answer without the engine, which
// takes several times as long. A lean path answers nothing but success. Whatever it does not know or would refuse goes
// to the engine untouched, so that there is one place that refuses, and one that knows proofs, ID tokens and the rest.
// What is decided is decided by the same functions on both; test/oidc/lean_*.test.ts hold them against each other.
import type { Context, Middleware } from 'koa';
import { type Client, isRegisteredOrigin } from '../core/clients.ts';
import type { Services } from '../core/services.ts';
import { type Form, readForm } from './form_body.ts';
import { type Credentials, isConstrained, readCredentials } from './lean_client.ts';

/** Beside its own, every lean path takes the parameters by which a client says who it is. */
type Given<Name extends string> = Partial<Record<Name | 'client_id' | 'client_secret', string>>;

export interface LeanPath<Name extends string> {
  path: string;
  /** The parameters that it understands; with any other the request is the engine's. */
  parameters: Name[];
  /** The body of a 200, or null when the engine is to answer. Nothing may have changed then. */
  answer: (ctx: Context, form: Given<Name>, credentials: Credentials) => Promise<object | null>;
}

/** The middleware of a lean path. */
export function leanPath<Name extends string>(
  services: Services,
  { path, parameters, answer }: LeanPath<Name>,
): Middleware {
  const names = new Set<string>([...parameters, 'client_id', 'client_secret']);
  return async (ctx, next) => {
    if (ctx.path !== path || ctx.method !== 'POST' || isConstrained(services, ctx)) return await next();
    const read = await readForm(ctx);
    if (!read) return await next();
    const form = isPlain(read.form, names) ? (read.form as Given<Name>) : null;
    const credentials = form && readCredentials(ctx, form);
    const body = credentials && (await answer(ctx, form, credentials));
    if (!body) {
      read.giveBack();
      return await next();
    }
    ctx.state.route = path;
    ctx.set('Cache-Control', 'no-store');
    // The engine's headers of CORS; not sooner, because it asks for the origin only while nobody has answered for it.
    ctx.vary('Origin');
    ctx.set('Access-Control-Allow-Origin', ctx.get('origin') || '*');
    ctx.set('Access-Control-Expose-Headers', 'WWW-Authenticate');
    ctx.body = body;
  };
}

// Each parameter known, sent once, and not empty.
function isPlain(form: Form, names: ReadonlySet<string>): boolean {
  return Object.entries(form).every(
    ([name, value]) => names.has(name) && typeof value === 'string' && value !== '',
  );
}

/** Whether the page that asks may read the answer: none asks, or its origin is the client's. If not, the engine says so. */
export function isReadable(ctx: Context, client: Pick<Client, 'metadata'>): boolean {
  const origin = ctx.get('origin');
  return !origin || isRegisteredOrigin(client, origin);
}
