// The login page.
import type { Brand } from './brand.ts';
import { clientName, destinationOf } from './text.ts';
import { exactMoment, waitFor } from './time.ts';
import { type FormTarget, formOf, renderPage } from './view.ts';

/** Why the login failed; shown on the page. */
export type LoginProblem =
  | { kind: 'wrong_credentials' }
  /** The password was right, but is good for nothing until the user has recovered the account. */
  | { kind: 'recovery_required' }
  /** The password was right, but has to be replaced in a login that asks for a new one. */
  | { kind: 'replace' }
  /** The form's CSRF token was not valid any more. */
  | { kind: 'form_expired' }
  /** `retryAfter` in seconds. */
  | { kind: 'too_many_attempts'; retryAfter: number }
  /** Only after the right password. `message` is the public reason, `until` the end of a ban. */
  | { kind: 'banned' | 'disabled'; message: string | null; until?: Date | null };

export interface LoginPage {
  /** Sends `username` and `password`. */
  form: FormTarget;
  /** The client that sent the user here; absent on the way to the account page. */
  client?: {
    name: string;
    /** The redirect URI; absent in the device flow. */
    redirectUri?: string | null;
    /** False for a client that registered itself or that its own metadata document describes. */
    isVerified?: boolean;
  };
  /** Returns to the client without signing in. */
  cancel?: FormTarget;
  /** What the user entered before, or the client's `login_hint`. */
  username?: string;
  /** Where a person goes who forgot the password; absent where recovery is off. */
  forgotUrl?: string | null;
  /** Whether a new password was just set in this browser. */
  isRecovered?: boolean;
  /** Whether a signed-in user has to enter the password again (`prompt=login`, `max_age`). */
  isAgain?: boolean;
  problem?: LoginProblem;
  /** Where a person gets an account; absent where nobody does without an invitation. */
  signUpUrl?: string | undefined;
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
      destination: client?.redirectUri ? destinationOf(client.redirectUri) : null,
      isUnverified: client?.isVerified === false,
      username,
      forgotUrl: page.forgotUrl ?? null,
      isRecovered: page.isRecovered === true && !problem,
      form: formOf(page.form),
      signUpUrl: isAgain ? null : page.signUpUrl,
      cancel: page.cancel ? formOf(page.cancel) : null,
      notice: problem ? noticeOf(problem) : null,
      isWrong: problem?.kind === 'wrong_credentials',
      // With a known name, only the password is left to enter.
      focus: username ? 'password' : 'username',
    },
  );
}

/** What went wrong with a login, in one line, for a form that is no login page. */
export function loginProblemText(problem: LoginProblem): string {
  const { title, text, quote } = noticeOf(problem);
  return [title, text, quote].filter(Boolean).join('. ');
}

function noticeOf(problem: LoginProblem): Notice {
  switch (problem.kind) {
    case 'wrong_credentials':
      return { title: 'Wrong username or password' };
    case 'recovery_required':
      return {
        title: 'This password cannot be used any more',
        text: 'For your safety, set a new one: choose “Forgot password?”, or ask an administrator.',
      };
    case 'replace':
      return {
        title: 'This password was made for you',
        text: 'Sign in to your account with it and choose a new one first.',
      };
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
