// What the account page says after an action, once. Bound to the browser session and short-lived: in the address it could be
// written by anyone who sends a link, and the page would say that a password was changed.
import type { Context } from 'koa';
import type { Deps } from '../../core/deps.ts';
import { type Flash, type FlashCode, isFlashCode } from '../../pages/account_texts.ts';
import { csrfToken, isCsrfToken } from './form.ts';
import { publicPath } from './page_response.ts';

const name = 'kindred_said';
const options = (deps: Deps) =>
  ({ httpOnly: true, sameSite: 'lax', signed: false, path: publicPath(deps, '/account') }) as const;

/** Seconds until what was not shown is forgotten. */
const life = 60;

/** Keeps a message for the visitor's next look at the page. */
export function setFlash(deps: Deps, ctx: Context, visitor: string, code: FlashCode): void {
  const value = `${code}.${csrfToken(deps, subject(visitor, code))}`;
  ctx.cookies.set(name, value, { ...options(deps), maxAge: life * 1000 });
}

/** The message that was kept, and forgets it; null when there is none, or one that was not kept for this visitor. */
export function takeFlash(deps: Deps, ctx: Context, visitor: string): Flash | null {
  const value = ctx.cookies.get(name, { signed: false });
  if (value === undefined) return null;
  ctx.cookies.set(name, null, options(deps));
  const [code, proof] = value.split('.');
  if (!isFlashCode(code) || !isCsrfToken(deps, subject(visitor, code), proof)) return null;
  return { code, isProblem: problems.has(code) };
}

const problems = new Set<FlashCode>(['not_found', 'invalid_name', 'form_expired']);

function subject(visitor: string, said: string): string {
  return `said ${said} ${visitor}`;
}
