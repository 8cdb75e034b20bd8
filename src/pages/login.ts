// The login page.
import type { Brand } from './brand.ts';
import { clientName, placeOf } from './text.ts';
import { exactMoment, waitFor } from './time.ts';
import { type FormTarget, formOf, renderPage } from './view.ts';

/** Why the page is shown again, or why nobody gets in. */
export type LoginProblem =
  | { kind: 'wrong_credentials' }
  /** The form was older than its csrf token. */
  | { kind: 'form_expired' }
  /** `retryAfter` in seconds. */
  | { kind: 'too_many_attempts'; retryAfter: number }
  /** Only for whoever gave the right password. `message` is the public text, `until` the end of a ban. */
  | { kind: 'banned' | 'disabled'; message: string | null; until?: Date | null };

export interface LoginPage {
  /** Sends `username` and `password`. */
  form: FormTarget;
  /** Who sent the user here; absent when they want their own account page. */
  client?: {
    name: string;
    /** Where the user would be sent; absent in the device flow. */
    redirectUri?: string | null;
    /** False for one that registered itself, or that its own metadata document describes. */
    isVerified?: boolean;
  };
  /** Back to the client without signing in. */
  cancel?: FormTarget;
  /** What was typed before, or the client's `login_hint`. */
  username?: string;
  /** Whether somebody who is signed in has to prove it again (`prompt=login`, `max_age`). */
  isAgain?: boolean;
  problem?: LoginProblem;
}

interface Notice {
  title: string;
  text?: string;
  quote?: string;
}

/** Asks for username and password. */
export function renderLogin(brand: Brand, page: LoginPage): string {
  const { client, problem, username = '', isAgain = false } = page;
  const name = client ? clientName(client.name) : null;
  const heading = isAgain ? 'Confirm it’s you' : 'Sign in';
  const title = name ? `${heading} to continue to ${name}` : heading;
  return renderPage(
    brand,
    'login',
    { title, hasProblem: problem !== undefined },
    {
      heading,
      clientName: name,
      place: client?.redirectUri ? placeOf(client.redirectUri) : null,
      isUnverified: client?.isVerified === false,
      username,
      form: formOf(page.form),
      cancel: page.cancel ? formOf(page.cancel) : null,
      notice: problem ? noticeOf(problem) : null,
      isWrong: problem?.kind === 'wrong_credentials',
      // A known name leaves only the password to type.
      focus: username ? 'password' : 'username',
    },
  );
}

function noticeOf(problem: LoginProblem): Notice {
  switch (problem.kind) {
    case 'wrong_credentials':
      return { title: 'Wrong username or password' };
    case 'form_expired':
      return {
        title: 'This page was open for too long',
        text: 'Please sign in again.',
      };
    case 'too_many_attempts':
      return {
        title: 'Too many wrong passwords',
        text: `Try again in ${waitFor(problem.retryAfter)}.`,
      };
    default:
      return blocked(problem);
  }
}

function blocked({ kind, message, until }: Extract<LoginProblem, { kind: 'banned' | 'disabled' }>): Notice {
  const end = until ? ` until ${exactMoment(until).text}` : '';
  return { title: `This account is ${kind}${end}`, ...(message ? { quote: message } : {}) };
}
