// Every page in every state that looks different, with plausible data, and once with hostile names.
import { renderAccount } from '../../src/pages/account.ts';
import { renderDeleted } from '../../src/pages/account_data.ts';
import { type LinkForm, renderLinkDone, renderLinkForm } from '../../src/pages/address_link.ts';
import type { Brand } from '../../src/pages/brand.ts';
import { type ConsentPage, renderConsent } from '../../src/pages/consent.ts';
import { renderDeadLink } from '../../src/pages/dead_link.ts';
import { renderDeviceCode, renderDeviceConfirm, renderDeviceResult } from '../../src/pages/device.ts';
import { renderError } from '../../src/pages/error.ts';
import { renderLogin } from '../../src/pages/login.ts';
import { renderLoggedOut, renderLogout } from '../../src/pages/logout.ts';
import {
  renderAskRecovery,
  renderMailSent,
  renderNewPassword,
  renderRecovered,
} from '../../src/pages/recovery.ts';
import { renderSelectAccount } from '../../src/pages/select_account.ts';
import { accountPage, before, now } from './account_sample.ts';
import { signUpSamples } from './sign_up_samples.ts';

/** A name that tries to break out of text, attributes, comments and raw text, changes the direction, and is long. */
export const nasty = `"'><script>alert(1)</script><img src=x onerror=alert(2)>--></title></style>\u202e\u2066<b>שלום‏ 👩‍👩‍👧${'W'.repeat(110)}`;

export const brand: Brand = { name: 'Kindred' };

const form = { action: '/interaction/uid', csrf: 'csrf-token' };
const client = { name: 'Photo Printer' };

/** A typical consent page. */
export function consentPage(name = client.name, change: Partial<ConsentPage> = {}): ConsentPage {
  return {
    form,
    switchUser: { action: '/interaction/uid/switch', csrf: 'csrf-token' },
    client: {
      name,
      redirectUri: 'https://print.example/callback',
      isVerified: true,
      policyUrl: 'https://print.example/privacy',
      tosUrl: 'https://print.example/terms',
    },
    user: { username: 'ada', email: 'ada@lovelace.example' },
    scopes: [
      { name: 'openid', isNew: true },
      { name: 'profile', isNew: true },
      { name: 'email', isNew: true },
      { name: 'offline_access', isNew: true },
      { name: 'photos:read', resourceServer: 'https://photos.example', isNew: true },
    ],
    ...change,
  };
}

const worstForm = { action: `/x?${nasty}`, csrf: nasty, hidden: { [nasty]: nasty } };

const newMail = {
  action: '/recover',
  field: { name: 'login', label: 'Username or e-mail', type: 'text', autocomplete: 'username' },
  button: 'Send a new mail',
} as const;

const linkForm = {
  title: 'Confirm your address',
  lead: ['Sign in to the account that is to have the address ada@next.example.'],
  action: '/verify-email/token',
  fields: [
    { name: 'username', label: 'Username or present e-mail', type: 'text', autocomplete: 'username' },
    { name: 'password', label: 'Password', type: 'password', autocomplete: 'current-password' },
  ],
  button: 'Confirm',
} satisfies LinkForm;

/** The pages by the name of their sample. */
export const samples: Record<string, (brand: Brand) => string> = {
  recover: (b) =>
    renderAskRecovery(b, { form: { action: '/recover', hidden: { request: 'uid' } }, loginUrl: '/account' }),
  recover_too_many: (b) =>
    renderAskRecovery(b, {
      form: { action: '/recover' },
      loginUrl: '/account',
      problem: { retryAfter: 900 },
    }),
  recover_code: (b) =>
    renderMailSent(b, {
      form: { action: '/recover/code' },
      again: { action: '/recover', hidden: { login: nasty, again: '1' } },
      startUrl: '/recover',
      loginUrl: '/account',
    }),
  recover_code_wrong: (b) =>
    renderMailSent(b, {
      form: { action: '/recover/code', hidden: { login: nasty } },
      again: { action: '/recover', hidden: { login: nasty, again: '1' } },
      startUrl: '/recover',
      loginUrl: '/account',
      problem: 'wrong_code',
    }),
  recover_password: (b) =>
    renderNewPassword(b, {
      form: { action: '/recover/password', hidden: { code: '123456' } },
      user: { name: 'ada', email: 'ada@lovelace.example' },
      loginUrl: '/account',
    }),
  new_password: (b) =>
    renderNewPassword(b, {
      form: { action: '/account/new-password', hidden: { csrf: 'csrf-token' } },
      user: { name: 'ada', email: null },
      isLogin: true,
    }),
  recover_password_weak: (b) =>
    renderNewPassword(b, {
      form: { action: '/recover/x' },
      user: { name: nasty, email: nasty },
      problem: { kind: 'password_too_common' },
      isOfLink: true,
    }),
  recovered: (b) => renderRecovered(b, { name: 'ada', visitor: nasty, accountUrl: '/account' }),
  login_recovered: (b) => renderLogin(b, { form, client, forgotUrl: '/recover', isRecovered: true }),
  dead_link: (b) =>
    renderDeadLink(b, { state: 'expired', newMail, link: { url: '/account', label: 'Sign in' } }),
  dead_link_unknown: (b) =>
    renderDeadLink(b, { state: 'unknown', advice: 'Ask an administrator for a new one.' }),
  ...signUpSamples,
  login: (b) => renderLogin(b, { form, client, cancel: form }),
  login_sign_up: (b) => renderLogin(b, { form, client, cancel: form, signUpUrl: '/sign-up' }),
  login_unverified: (b) =>
    renderLogin(b, {
      form,
      client: { name: 'Your Bank', redirectUri: 'https://evil.example/cb', isVerified: false },
      cancel: form,
    }),
  login_again: (b) => renderLogin(b, { form, isAgain: true, username: 'ada' }),
  login_wrong: (b) =>
    renderLogin(b, { form, client, cancel: form, username: 'ada', problem: { kind: 'wrong_credentials' } }),
  login_expired: (b) => renderLogin(b, { form, client, problem: { kind: 'form_expired' } }),
  login_too_many: (b) =>
    renderLogin(b, {
      form,
      client,
      username: 'ada',
      problem: { kind: 'too_many_attempts', retryAfter: 200 },
    }),
  login_banned: (b) =>
    renderLogin(b, {
      form,
      client,
      cancel: form,
      username: 'ada',
      problem: {
        kind: 'banned',
        until: new Date('2030-06-01T00:00:00Z'),
        message: 'Repeated insults in the forum.\nWrite to help@example.org to appeal.',
      },
    }),
  login_disabled: (b) => renderLogin(b, { form, problem: { kind: 'disabled', message: null } }),
  login_nasty: (b) =>
    renderLogin(b, {
      form: worstForm,
      client: { name: nasty, redirectUri: `x-${nasty}://y`, isVerified: false },
      cancel: worstForm,
      username: nasty,
      problem: { kind: 'disabled', message: nasty },
    }),
  consent: (b) => renderConsent(b, consentPage()),
  consent_more: (b) => {
    const page = consentPage();
    const scopes = page.scopes.map((scope, at) => ({ ...scope, isNew: at > 2 }));
    return renderConsent(b, { ...page, scopes });
  },
  consent_without_scope: (b) => {
    const scopes = [{ name: '', resourceServer: 'Print service', isNew: true }];
    return renderConsent(b, consentPage(client.name, { scopes }));
  },
  select_account: (b) =>
    renderSelectAccount(b, {
      form: { action: '/interaction/x/continue', csrf: 'csrf-token' },
      switchUser: { action: '/interaction/x/switch', csrf: 'csrf-token' },
      client,
      user: { username: 'ada', email: 'ada@example.com' },
    }),
  select_account_nasty: (b) =>
    renderSelectAccount(b, {
      form: worstForm,
      switchUser: worstForm,
      client: { name: nasty },
      user: { username: nasty, email: nasty },
    }),
  consent_unverified: (b) => {
    const page = consentPage('Totally Official Support Desk', { user: { username: 'ada' } });
    const target = { redirectUri: 'http://127.0.0.1:4711/callback', isVerified: false, tosUrl: null };
    return renderConsent(b, { ...page, client: { ...page.client, ...target } });
  },
  consent_nasty: (b) => {
    const page = consentPage(nasty, { form: worstForm, user: { username: nasty, email: nasty } });
    const scopes = ['openid', nasty].map((name) => ({ name, resourceServer: nasty, isNew: true }));
    const urls = { tosUrl: `https://x.example/${nasty}`, policyUrl: 'javascript:alert(1)', logoUrl: nasty };
    return renderConsent(b, { ...page, scopes, client: { ...page.client, ...urls, isVerified: false } });
  },
  consent_device: (b) => {
    const page = consentPage();
    return renderConsent(b, { ...page, client: { ...page.client, redirectUri: null, isVerified: false } });
  },
  device_code: (b) => renderDeviceCode(b, { form }),
  device_code_wrong: (b) => renderDeviceCode(b, { form, code: 'BCDF-GHJK', problem: { kind: 'not_found' } }),
  device_code_nasty: (b) =>
    renderDeviceCode(b, {
      form: worstForm,
      code: nasty,
      problem: { kind: 'too_many_attempts', retryAfter: 5 },
    }),
  device_confirm: (b) =>
    renderDeviceConfirm(b, {
      form: { ...form, hidden: { user_code: 'BCDF-GHJK' } },
      code: 'BCDF-GHJK',
      client: { name: 'Living Room TV' },
      source: { ip: '203.0.113.9', userAgent: 'LivingRoomTV/2.1 (Linux)', at: before(70) },
      now,
    }),
  device_confirm_nasty: (b) =>
    renderDeviceConfirm(b, {
      form: worstForm,
      code: nasty,
      client: { name: nasty },
      source: { ip: nasty, userAgent: nasty },
      now,
    }),
  device_connected: (b) =>
    renderDeviceResult(b, {
      outcome: 'connected',
      client: { name: 'Living Room TV' },
      accountUrl: '/account',
    }),
  device_denied: (b) => renderDeviceResult(b, { outcome: 'denied', client, retryUrl: '/device' }),
  device_failed: (b) =>
    renderDeviceResult(b, { outcome: 'failed', retryUrl: '/device', accountUrl: '/account' }),
  device_result_nasty: (b) =>
    renderDeviceResult(b, { outcome: 'connected', client: { name: nasty }, accountUrl: `/${nasty}` }),
  logout: (b) => renderLogout(b, { form, client, user: { username: 'ada' } }),
  logout_nasty: (b) =>
    renderLogout(b, { form: worstForm, client: { name: nasty }, user: { username: nasty } }),
  logged_out: (b) =>
    renderLoggedOut(b, { client: { ...client, url: 'https://print.example/' }, signInUrl: '/account' }),
  logged_out_nasty: (b) =>
    renderLoggedOut(b, {
      client: { name: nasty, url: `https://x.example/${nasty}` },
      signInUrl: `/${nasty}`,
    }),
  error: (b) =>
    renderError(b, {
      code: 'invalid_redirect_uri',
      requestId: '0197f3c2-7d1e-7a52-9c3e-1f2d3c4b5a69',
      description: "redirect_uri did not match any of the client's registered redirect_uris",
      redirectUri: 'https://print.exarnple/callback',
      client,
      homeUrl: '/account',
    }),
  error_expired: (b) =>
    renderError(b, {
      code: 'page_expired',
      requestId: '0197f3c2-7d1e-7a52-9c3e-1f2d3c4b5a69',
      client: { ...client, url: 'https://print.example/' },
    }),
  error_limited: (b) => renderError(b, { code: 'rate_limited', requestId: 'r', retryAfter: 61 }),
  error_nasty: (b) =>
    renderError(b, {
      code: nasty,
      requestId: nasty,
      description: nasty,
      client: { name: nasty, url: 'javascript:alert(1)' },
      homeUrl: `/${nasty}`,
    }),
  account: (b) => renderAccount(b, accountPage()),
  account_flash: (b) =>
    renderAccount(
      b,
      accountPage({
        flash: { code: 'others_ended' },
        password: { action: '/account/password', problem: { kind: 'password_too_common' } },
      }),
    ),
  account_email_unproved: (b) =>
    renderAccount(
      b,
      accountPage({
        email: {
          ...{ ...accountPage().email, isProved: false, pending: 'ada@next.example' },
          problem: { kind: 'invalid_code' },
        },
      }),
    ),
  account_email_sent: (b) =>
    renderAccount(
      b,
      accountPage({
        flash: { code: 'email_code_sent' },
        email: { ...accountPage().email, pending: 'ada@next.example' },
      }),
    ),
  account_email_problem: (b) =>
    renderAccount(
      b,
      accountPage({ email: { ...accountPage().email, problem: { kind: 'invalid_email' }, typed: 'x' } }),
    ),
  account_no_email: (b) =>
    renderAccount(
      b,
      accountPage({ email: { ...accountPage().email, address: null, isProved: false, action: null } }),
    ),
  link_form: (b) => renderLinkForm(b, linkForm),
  link_form_problem: (b) =>
    renderLinkForm(b, {
      ...linkForm,
      isDanger: true,
      problem: { title: 'Our mail did not go to this address' },
    }),
  link_form_nasty: (b) =>
    renderLinkForm(b, { ...linkForm, lead: [nasty], hidden: { [nasty]: nasty }, action: `/not-me/${nasty}` }),
  link_done: (b) =>
    renderLinkDone(b, {
      title: 'Your address is confirmed',
      lead: ['You can sign in with it.'],
      link: { url: '/account', label: 'Go to your account' },
    }),
  link_done_problem: (b) =>
    renderLinkDone(b, { title: 'This address belongs to another account', lead: [nasty], isProblem: true }),
  account_deletion: (b) =>
    renderAccount(
      b,
      accountPage({ data: { ...accountPage().data, problem: { kind: 'rate_limited', retryAfter: 90 } } }),
    ),
  account_no_password: (b) =>
    renderAccount(
      b,
      accountPage({
        password: null,
        data: { ...accountPage().data, asks: 'name', problem: { kind: 'old_login' } },
      }),
    ),
  account_profile: (b) =>
    renderAccount(
      b,
      accountPage({
        profile: {
          ...accountPage().profile,
          problem: { field: 'picture', kind: 'not_allowed', rule: 'must be the URL of a picture' },
        },
      }),
    ),
  account_deleted: (b) => renderDeleted(b),
  account_empty: (b) => {
    const { endOthersAction: _, ...page } = accountPage({
      user: { username: 'ada', email: null },
      devices: [],
      ended: [],
      consents: [],
      password: null,
      flash: { code: 'not_found', isProblem: true },
    });
    return renderAccount(b, page);
  },
  account_nasty: (b) => renderAccount(b, accountPage({ csrf: nasty, endOthersAction: `/${nasty}` }, nasty)),
};
