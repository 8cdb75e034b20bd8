// The forms of our pages: reading their fields, and the CSRF token that each of them carries.
import type { Context, Middleware } from 'koa';
import { koaBody } from 'koa-body';
import type { Deps } from '../../core/deps.ts';
import { equalBytes, mac } from '../../lib/crypto.ts';
import { AppError } from '../../lib/errors.ts';

/** The CSRF token of a form that is shown to this `subject`: a browser session or an interaction. */
export function csrfToken({ keyring }: Deps, subject: string): string {
  return mac(keyring.current.keyFor('csrf'), Buffer.from(subject)).toString('base64url');
}

/** Whether `token` is the CSRF token for this subject, made with any of the secrets in KINDRED_SECRET. */
export function isCsrfToken({ keyring }: Deps, subject: string, token: unknown): boolean {
  if (typeof token !== 'string') return false;
  const presented = Buffer.from(token, 'base64url');
  return keyring.all.some((key) => equalBytes(mac(key.keyFor('csrf'), Buffer.from(subject)), presented));
}

/** Parses a form of our pages into `ctx.request.body`. */
export function parseForm({ config }: Deps): Middleware {
  return koaBody({
    urlencoded: true,
    json: false,
    text: false,
    multipart: false,
    formLimit: config.bodyLimit,
    // No form of ours has field names in brackets or more than 25 fields.
    queryString: { depth: 0, parseArrays: false, parameterLimit: 50 },
    onError: refuseForm,
  });
}

// Not compressed as its header says, an unknown charset, or too long: no browser sends such a form.
function refuseForm(error: Error): never {
  const { status } = error as { status?: number };
  throw new AppError(status === 413 ? 'body_too_large' : 'invalid_request', undefined, { cause: error });
}

/** A field of the form as text; empty when it is missing or was sent twice. */
export function field(ctx: Context, name: string): string {
  const value = (ctx.request.body as Record<string, unknown> | undefined)?.[name];
  return typeof value === 'string' ? value : '';
}

/** Whether the form was sent with this field. */
export function hasField(ctx: Context, name: string): boolean {
  return typeof (ctx.request.body as Record<string, unknown> | undefined)?.[name] === 'string';
}
