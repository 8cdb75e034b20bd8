// The pages of sign-up and invitations, in every state that looks different.
import type { Brand } from '../../src/pages/brand.ts';
import {
  renderSignUp,
  renderSignUpCode,
  renderSignUpDone,
  type SignUpForm,
} from '../../src/pages/sign_up.ts';

const form = { action: '/sign-up', csrf: 'csrf-token' };
// A name that tries to break out of its element, and is long.
const nasty = `"'><script>alert(1)</script>\u202e<b>${'W'.repeat(110)}`;
const rights = ['role editor', 'permission posts:write', `tenant ${nasty}`];
const invited = (kind: 'invited' | 'first_password' | 'take_up'): SignUpForm => ({
  kind,
  address: `${nasty}@example.com`,
  rights,
});

export const signUpSamples: Record<string, (brand: Brand) => string> = {
  sign_up: (b) => renderSignUp(b, { form, is: { kind: 'request' }, signInUrl: '/account' }),
  sign_up_problem: (b) =>
    renderSignUp(b, {
      form,
      is: { kind: 'request', email: nasty },
      username: nasty,
      problem: { field: 'username', text: 'This username is taken.' },
    }),
  sign_up_limited: (b) =>
    renderSignUp(b, {
      form,
      is: { kind: 'request' },
      problem: { text: 'Too many attempts. Try again in a minute.' },
    }),
  sign_up_link: (b) => renderSignUp(b, { form, is: { kind: 'link', address: 'ada@example.com' } }),
  sign_up_code: (b) => renderSignUpCode(b, { form, againUrl: '/sign-up', signInUrl: '/account' }),
  sign_up_code_wrong: (b) =>
    renderSignUpCode(b, {
      form,
      code: '123456',
      problem: { field: 'code', text: 'This code is wrong, was used, or has expired.' },
      againUrl: '/sign-up',
      signInUrl: '/account',
    }),
  sign_up_code_taken: (b) =>
    renderSignUpCode(b, {
      form,
      code: '123456',
      asksUsername: true,
      username: nasty,
      problem: { field: 'username', text: 'This username is taken.' },
      againUrl: '/sign-up',
      signInUrl: '/account',
    }),
  sign_up_done: (b) =>
    renderSignUpDone(b, { outcome: 'created', next: { url: '/account', label: 'Sign in' } }),
  sign_up_mail_sent: (b) => renderSignUpDone(b, { outcome: 'mail_sent' }),
  invitation: (b) => renderSignUp(b, { form, is: invited('invited') }),
  invitation_first_password: (b) => renderSignUp(b, { form, is: invited('first_password') }),
  invitation_take_up: (b) =>
    renderSignUp(b, {
      form,
      is: invited('take_up'),
      problem: { field: 'password', text: 'Wrong password.' },
      forgotUrl: '/recover',
    }),
};
