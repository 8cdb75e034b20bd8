// Flash messages: what the account page says once after an action. The message is in a cookie, bound to the browser session
// by a MAC. In the URL, anyone could send a link that makes the page say that the password was changed.
import type { Context } from 'koa';
import type { Deps } from '../../core/deps.ts';
import { type Flash, type FlashCode, isFlashCode } from '../../pages/account_texts.ts';
import { csrfToken, isCsrfToken } from './form.ts';
import { publicPath } from './page_response.ts';

const name = 'kindred_said';
const options = (deps: Deps) =>
  ({ httpOnly: true, sameSite: 'lax', signed: false, path: publicPath(deps, '/account') }) as const;

/** Seconds until a message that was not shown expires. */
const ttl = 60;

/** Sets the message that the visitor's next page shows. */
export function setFlash(deps: Deps, ctx: Context, visitor: string, code: FlashCode): void {
  const value = `${code}.${csrfToken(deps, subject(visitor, code))}`;
  ctx.cookies.set(name, value, { ...options(deps), maxAge: ttl * 1000 });
}

/** Returns the message and deletes its cookie; null when there is none, or when it was set for another browser session. */
export function takeFlash(deps: Deps, ctx: Context, visitor: string): Flash | null {
  const value = ctx.cookies.get(name, { signed: false });
  if (value === undefined) return null;
  ctx.cookies.set(name, null, options(deps));
  const [code, token] = value.split('.');
  if (!isFlashCode(code) || !isCsrfToken(deps, subject(visitor, code), token)) return null;
  return { code, isProblem: problems.has(code) };
}

const problems = new Set<FlashCode>(['not_found', 'invalid_name', 'form_expired']);

function subject(visitor: string, code: string): string {
  return `said ${code} ${visitor}`;
}
