// The pages on which a person gets an account: asking for one, typing the code of the mail, and accepting an invitation.
import type { Brand } from './brand.ts';
import { type FormTarget, formOf, renderPage } from './view.ts';

/** What is wrong with what was typed; without a field, with the form as a whole. */
export interface SignUpProblem {
  field?: 'email' | 'username' | 'password' | 'code';
  text: string;
}

/** What a form of these pages is for. */
export type SignUpForm =
  /** A person asks for an account, with any address. */
  | { kind: 'request'; email?: string }
  /** The link of a sign-up, for its address alone. */
  | { kind: 'link'; address: string }
  /** An invitation that creates an account, sets the password of one that has none, or gives rights after a login. */
  | { kind: 'invited' | 'first_password' | 'take_up'; address: string; rights: string[] };

export interface SignUpPage {
  /** Sends `email`, `username` and `password`, as far as the form asks for them. */
  form: FormTarget;
  is: SignUpForm;
  username?: string;
  problem?: SignUpProblem | undefined;
  /** Where people go who have an account. */
  signInUrl?: string;
  /** Where an invited person goes who forgot the password; null where recovery is off. */
  forgotUrl?: string | null;
}

const headings: Record<SignUpForm['kind'], string> = {
  request: 'Create account',
  link: 'Create your account',
  invited: 'Accept the invitation',
  first_password: 'Accept the invitation',
  take_up: 'Accept the invitation',
};

const leads: Record<SignUpForm['kind'], string> = {
  request: 'We send a code to your address to confirm it.',
  link: 'Your address is confirmed. Choose a password.',
  invited: 'Choose a password to create your account.',
  first_password: 'Choose a password for your account.',
  take_up: 'You have an account with this address. Enter its password to accept.',
};

const buttons: Record<SignUpForm['kind'], string> = {
  request: 'Continue',
  link: 'Create account',
  invited: 'Create account',
  first_password: 'Set password',
  take_up: 'Accept',
};

/** The form with which a person gets an account, or takes up an invitation. */
export function renderSignUp(
  brand: Brand,
  { form, is, username = '', problem, signInUrl, forgotUrl }: SignUpPage,
): string {
  const { kind } = is;
  return renderPage(
    brand,
    'sign_up',
    { title: headings[kind], hasProblem: problem !== undefined, isOfLink: kind !== 'request' },
    {
      form: formOf(form),
      heading: headings[kind],
      lead: leads[kind],
      button: buttons[kind],
      address: is.kind === 'request' ? null : is.address,
      email: is.kind === 'request' ? (is.email ?? '') : '',
      rights: 'rights' in is ? is.rights : [],
      hasUsername: kind !== 'first_password' && kind !== 'take_up',
      isLogin: kind === 'take_up',
      described: [
        ...(kind === 'take_up' ? [] : ['password-hint']),
        ...(problem?.field === 'password' ? ['password-problem'] : []),
      ].join(' '),
      username,
      problem,
      signInUrl,
      forgotUrl: forgotUrl ?? null,
    },
  );
}

export interface SignUpCodePage {
  /** Sends `code`, and `username` where the page asks for another one. */
  form: FormTarget;
  problem?: SignUpProblem | undefined;
  /** What was typed before. */
  code?: string;
  /** Whether the username was taken meanwhile, so that the page asks for another one. */
  asksUsername?: boolean;
  username?: string;
  /** Where the person asks again. */
  againUrl: string;
  /** Where people go who have an account. */
  signInUrl: string;
}

/** Asks for the code of the mail. It says nothing about the address, which may have an account. */
export function renderSignUpCode(brand: Brand, page: SignUpCodePage): string {
  const { form, problem, code = '', asksUsername = false, username = '', againUrl, signInUrl } = page;
  const title = 'Check your mail';
  return renderPage(
    brand,
    'sign_up_code',
    { title, hasProblem: problem !== undefined },
    { title, form: formOf(form), problem, code, asksUsername, username, againUrl, signInUrl },
  );
}

export interface SignUpDonePage {
  outcome: 'created' | 'password_set' | 'taken_up' | 'mail_sent';
  /** Where the person goes on. */
  next?: { url: string; label: string };
}

const outcomes: Record<SignUpDonePage['outcome'], [title: string, text: string]> = {
  created: ['Your account is ready', 'Sign in with the password that you chose.'],
  password_set: ['Your account is ready', 'Sign in with the password that you chose.'],
  taken_up: [
    'Invitation accepted',
    'Your account has its new rights. An app in which you are signed in may need you to sign in again.',
  ],
  mail_sent: [
    'Check your mail',
    'We sent a mail to the address that you entered. Open its link within a day.',
  ],
};

/** The page after the last step. */
export function renderSignUpDone(brand: Brand, { outcome, next }: SignUpDonePage): string {
  const [title, text] = outcomes[outcome];
  return renderPage(
    brand,
    'sign_up_done',
    { title, isOfLink: true },
    { title, text, next, isDone: outcome !== 'mail_sent' },
  );
}
