// What people type into the forms of sign-up and invitations, and what the page says when it is refused.
import type { Context } from 'koa';
import { email, username } from '../../core/users/names.ts';
import { AppError } from '../../lib/errors.ts';
import type { SignUpProblem } from '../../pages/sign_up.ts';
import { waitFor } from '../../pages/time.ts';
import { field } from './form.ts';

/** A problem for the page, and its status. */
export interface Problem {
  problem?: SignUpProblem;
  status?: number;
}

/** The form's CSRF token was not valid any more. */
export const formExpired: Problem = {
  problem: { text: 'This page was open for too long. Try again.' },
  status: 403,
};

class TypedProblem extends Error {
  readonly field: 'email' | 'username';
  constructor(name: 'email' | 'username', text: string) {
    super(text);
    this.field = name;
  }
}

/** The fields of a form; throws what {@link problemOf} understands. An empty username is none. */
export function readTyped(ctx: Context): { email: string; username: string | undefined; password: string } {
  const address = field(ctx, 'email');
  const name = field(ctx, 'username').trim();
  const parsedName = name === '' ? undefined : username.safeParse(name);
  if (parsedName && !parsedName.success)
    throw new TypedProblem('username', `The username ${parsedName.error.issues[0]?.message}.`);
  const parsed = address === '' ? undefined : email.safeParse(address);
  if (parsed && !parsed.success)
    throw new TypedProblem('email', 'Enter an e-mail address like ada@example.com.');
  return { email: parsed?.data ?? '', username: parsedName?.data, password: field(ctx, 'password') };
}

/** What a page says about a refusal; throws an error that is none. */
export function problemOf(ctx: Context, error: unknown): Problem & { status: number } {
  if (error instanceof TypedProblem) {
    return { problem: { field: error.field, text: error.message }, status: 400 };
  }
  if (!(error instanceof AppError) || error.status >= 500) throw error;
  const { status, message, retryAfter = 60 } = error;
  switch (error.code) {
    case 'weak_password':
      return { problem: { field: 'password', text: message }, status };
    case 'username_taken':
      return { problem: { field: 'username', text: message }, status };
    case 'email_domain_not_allowed':
      return { problem: { field: 'email', text: message }, status };
    case 'invalid_code':
      return {
        problem: { field: 'code', text: 'This code is wrong, was used, or has expired.' },
        status,
      };
    case 'rate_limited':
      ctx.set('Retry-After', String(retryAfter));
      return { problem: { text: `Too many attempts. Try again in ${waitFor(retryAfter)}.` }, status };
    default:
      throw error;
  }
}
