// The texts of the account page: after an action, for ended sessions, for a password that was not accepted.
import { waitFor } from './time.ts';

/**
 * The result of an action, shown once. It is a code, not a text, so that a forged cookie cannot make the page say anything
 * else. `isProblem` is set when the action failed.
 */
export interface Flash {
  code: FlashCode;
  isProblem?: boolean;
}

const flashes = {
  session_ended: 'Signed out of that app. The device may still be signed in to others.',
  device_ended: 'That device was signed out.',
  others_ended: 'You are now signed out everywhere else.',
  device_renamed: 'Device renamed.',
  browser_session_ended: 'That browser was signed out, including every app opened in it.',
  access_withdrawn: 'Access removed. The app has been signed out on all devices.',
  password_changed: 'Password changed. Every other device was signed out.',
  email_code_sent: 'We have sent a mail. Enter its code below, or open its link in this browser.',
  email_confirmed: 'Address confirmed. You can sign in with it, and use it to set a new password.',
  profile_saved: 'Profile saved.',
  not_found: 'It had already been removed. This page is now up to date.',
  invalid_name: 'A device name must have 1 to 100 characters.',
  form_expired: 'This page was open for too long, so nothing was changed. Please try again.',
} satisfies Record<string, string>;

export type FlashCode = keyof typeof flashes;

/** Whether `value`, read from a cookie, is the code of a flash message. */
export function isFlashCode(value: unknown): value is FlashCode {
  return typeof value === 'string' && Object.hasOwn(flashes, value);
}

/** The text of a flash message. */
export function flashText({ code }: Flash): string {
  return flashes[code];
}

/** Why a session ended, as the user reads it, and whether the user should act on it. */
export interface EndedText {
  reason: string;
  isAlarming: boolean;
}

const reasons: Record<string, string> = {
  logout: 'Signed out on the device',
  ended_by_user: 'Signed out by you',
  logout_all: 'Signed out everywhere by you',
  device_removed: 'Device removed by you',
  token_revoked: 'Signed out by the app',
  password_changed: 'Your password was changed',
  password_set_by_admin: 'An administrator set a new password',
  recovered: 'The account was recovered by mail',
  address_undone: 'A change of the e-mail address was undone',
  not_me: 'You reported a sign-in that was not yours',
  cap_evicted: 'Signed out: this app allows fewer sign-ins at once',
  consent_withdrawn: 'You removed the app’s access',
  ended_by_admin: 'Signed out by an administrator',
  user_banned: 'The account was banned',
  user_disabled: 'The account was disabled',
  user_deleted: 'The account was deleted',
  client_deleted: 'The app was removed',
  replaced: 'Renewed by a newer sign-in',
  expired: 'Signed out automatically: the sign-in expired',
};

// These tell the user what to do.
const alarming: Record<string, string> = {
  reuse_detected:
    'Signed out to be safe: someone may have copied this sign-in. If that wasn’t you, change your password.',
  code_reused:
    'Signed out to be safe: someone else may have seen this sign-in. If that wasn’t you, change your password.',
};

/** The text for the core's reason why a session ended. */
export function endedText(reason: string | null): EndedText {
  const key = reason ?? '';
  const isAlarming = Object.hasOwn(alarming, key);
  const text = isAlarming ? alarming[key] : Object.hasOwn(reasons, key) ? reasons[key] : undefined;
  return { reason: text ?? 'Signed out', isAlarming };
}

/** Why the password was not changed: the core's reason against the new one, or the current one was wrong. */
export type PasswordProblem =
  | {
      kind:
        | 'wrong_password'
        | 'password_too_short'
        | 'password_too_long'
        | 'password_too_common'
        | 'password_is_name'
        | 'password_not_new';
    }
  /** The current password was wrong, and one attempt is left. */
  | { kind: 'last_attempt' }
  /** `retryAfter` in seconds. */
  | { kind: 'rate_limited'; retryAfter: number };

/** The text of a problem with the password, and the field that it belongs to. */
export function passwordText(problem: PasswordProblem): { field: 'current' | 'new'; text: string } {
  switch (problem.kind) {
    case 'wrong_password':
      return { field: 'current', text: 'Wrong current password.' };
    case 'last_attempt':
      return {
        field: 'current',
        text: 'Wrong current password. You have one attempt left, then you have to wait.',
      };
    case 'rate_limited':
      return { field: 'current', text: `Too many attempts. Try again in ${waitFor(problem.retryAfter)}.` };
    case 'password_too_short':
      return { field: 'new', text: 'Too short: use at least 8 characters.' };
    case 'password_too_long':
      return { field: 'new', text: 'Too long: use at most 256 characters.' };
    case 'password_too_common':
      return { field: 'new', text: 'This password is too common. Choose another one.' };
    case 'password_not_new':
      return { field: 'new', text: 'Choose a password other than the one you were given.' };
    case 'password_is_name':
      return { field: 'new', text: 'Your username or e-mail address is too easy to guess as a password.' };
  }
}
