// The forms of our pages: reading their fields, and the CSRF token that each of them carries.
import type { Context, Middleware } from 'koa';
import { koaBody } from 'koa-body';
import type { Deps } from '../../core/deps.ts';
import { equalBytes, mac } from '../../lib/crypto.ts';
import { AppError } from '../../lib/errors.ts';

/** Proves that a form came from the page that we showed to this `subject`: a browser session, an interaction. */
export function csrfToken({ keyring }: Deps, subject: string): string {
  return mac(keyring.current.keyFor('csrf'), Buffer.from(subject)).toString('base64url');
}

/** Whether `token` is that proof, under any of our secrets. */
export function isCsrfToken({ keyring }: Deps, subject: string, token: unknown): boolean {
  if (typeof token !== 'string') return false;
  const presented = Buffer.from(token, 'base64url');
  return keyring.all.some((key) => equalBytes(mac(key.keyFor('csrf'), Buffer.from(subject)), presented));
}

/** Reads a form of ours into `ctx.request.body`. */
export function parseForm({ config }: Deps): Middleware {
  return koaBody({
    urlencoded: true,
    json: false,
    text: false,
    multipart: false,
    formLimit: config.bodyLimit,
    // No form of ours has a field in brackets, nor half as many of them.
    queryString: { depth: 0, parseArrays: false, parameterLimit: 50 },
    onError: refuseForm,
  });
}

// Packed in a way that it is not, in letters that nobody knows, too long: no browser sends that.
function refuseForm(error: Error): never {
  const { status } = error as { status?: number };
  throw new AppError(status === 413 ? 'body_too_large' : 'invalid_request', undefined, { cause: error });
}

/** A field of the form, as text; what was sent twice or not at all is empty. */
export function field(ctx: Context, name: string): string {
  const value = (ctx.request.body as Record<string, unknown> | undefined)?.[name];
  return typeof value === 'string' ? value : '';
}
