// The pages of a recovery: naming the account, the code out of the mail, the new password.
import { type PasswordProblem, passwordText } from './account_texts.ts';
import type { Brand } from './brand.ts';
import { waitFor } from './time.ts';
import { renderPage } from './view.ts';

/** A form of these pages. It has no CSRF token: it carries the secret of a mail, or does what anybody may do. */
export interface RecoveryForm {
  action: string;
  hidden?: Record<string, string>;
}

const fieldsOf = ({ action, hidden = {} }: RecoveryForm) => ({ action, fields: Object.entries(hidden) });

/** Seconds to wait, after too many requests. */
export interface TooMany {
  retryAfter: number;
}

const tooManyText = ({ retryAfter }: TooMany): string =>
  `Too many attempts. Try again in ${waitFor(retryAfter)}.`;

export interface AskPage {
  /** Sends `login`. */
  form: RecoveryForm;
  /** The login from which the person came. */
  loginUrl: string;
  /** What was typed before. */
  login?: string;
  problem?: TooMany;
}

/** Asks which account it is. */
export function renderAskRecovery(brand: Brand, { form, loginUrl, login = '', problem }: AskPage): string {
  return renderPage(
    brand,
    'recover',
    { title: 'Forgot your password?', hasProblem: problem !== undefined },
    { form: fieldsOf(form), loginUrl, login, problem: problem ? tooManyText(problem) : null },
  );
}

export interface CodePage {
  /** Sends `code`. */
  form: RecoveryForm;
  /** Sends the mail again; absent where it is not known to whom. */
  again?: RecoveryForm;
  /** Begins anew. */
  startUrl: string;
  loginUrl: string;
  problem?: 'wrong_code' | TooMany;
}

const wrongCode = 'This code does not work. Check the newest mail, or open its link instead.';

/** Says that a mail is on its way, whether it is or not, and asks for its code. */
export function renderMailSent(brand: Brand, { form, again, startUrl, loginUrl, problem }: CodePage): string {
  return renderPage(
    brand,
    'recover_code',
    { title: 'Check your mail', hasProblem: problem !== undefined },
    {
      form: fieldsOf(form),
      again: again ? fieldsOf(again) : null,
      startUrl,
      loginUrl,
      problem: problem === undefined ? null : problem === 'wrong_code' ? wrongCode : tooManyText(problem),
    },
  );
}

export interface NewPasswordPage {
  /** Sends `new_password`. */
  form: RecoveryForm;
  /** Whose password it is. */
  user: { name: string; email: string | null };
  /** Why the new password was not taken. */
  problem?: PasswordProblem;
  /** Where the person goes who does not want to go on; absent on the page of a link. */
  loginUrl?: string;
  /** Whether the URL of the page is that of a link. */
  isOfLink?: boolean;
  /** Whether the login goes on with the new password, instead of one that an administrator has set. */
  isLogin?: boolean;
}

const generated = 'Your password was set by an administrator. Choose your own to sign in.';

/** Asks for the new password, and says whose it is. */
export function renderNewPassword(
  brand: Brand,
  { form, user, problem, loginUrl, isOfLink = false, isLogin = false }: NewPasswordPage,
): string {
  return renderPage(
    brand,
    'recover_password',
    { title: 'Set a new password', hasProblem: problem !== undefined, isOfLink },
    {
      form: fieldsOf(form),
      name: user.name,
      email: user.email === user.name ? null : user.email,
      problem: problem ? passwordText(problem).text : null,
      reason: isLogin ? generated : null,
      signsOut: !isLogin,
      loginUrl,
      isOfLink,
    },
  );
}

export interface RecoveredPage {
  /** Whose password was set. */
  name: string;
  /** Who is signed in in this browser. */
  visitor: string;
  accountUrl: string;
}

/** Says that it is done, in a browser in which somebody else is signed in. */
export function renderRecovered(brand: Brand, page: RecoveredPage): string {
  return renderPage(brand, 'recovered', { title: 'Password changed', isOfLink: true }, page);
}
