// What the account page says: after an action, about an ended session, about a password that was refused.
import { waitFor } from './time.ts';

/**
 * What an action came to. A code and never a text: it may travel in a URL, and a text there could be anybody's.
 * `isProblem` is for those that went wrong.
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
  browser_session_ended: 'That browser was signed out, and every app that was opened in it.',
  access_withdrawn: 'Access removed. The app has been signed out on all devices.',
  password_changed: 'Password changed. Every other device was signed out.',
  not_found: 'That was gone already. This page is now up to date.',
  invalid_name: 'A name needs 1 to 100 characters.',
  form_expired: 'This page was open for too long, so nothing was changed. Please try again.',
} satisfies Record<string, string>;

export type FlashCode = keyof typeof flashes;

/** Whether `value`, from a URL or a cookie, names a flash. */
export function isFlashCode(value: unknown): value is FlashCode {
  return typeof value === 'string' && Object.hasOwn(flashes, value);
}

/** The flash in words. */
export function flashText({ code }: Flash): string {
  return flashes[code];
}

/** Why a session ended, in words, and whether that is something to worry about. */
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
  consent_withdrawn: 'You removed the app’s access',
  ended_by_admin: 'Signed out by an administrator',
  user_banned: 'The account was banned',
  user_disabled: 'The account was disabled',
  user_deleted: 'The account was deleted',
  client_deleted: 'The app was removed',
  expired: 'It was not used for too long',
};

// Said in full, because the user should do something.
const alarming: Record<string, string> = {
  reuse_detected:
    'Signed out to be safe: someone may have copied this sign-in. If that wasn’t you, change your password.',
  code_reused:
    'Signed out to be safe: someone else may have seen this sign-in. If that wasn’t you, change your password.',
};

/** The core's reason for the end of a session, in words. */
export function endedText(reason: string | null): EndedText {
  const key = reason ?? '';
  const isAlarming = Object.hasOwn(alarming, key);
  const text = isAlarming ? alarming[key] : Object.hasOwn(reasons, key) ? reasons[key] : undefined;
  return { reason: text ?? 'Signed out', isAlarming };
}

/** Why the password was not changed: the core's weaknesses, or what was wrong with the current one. */
export type PasswordProblem =
  | {
      kind:
        | 'wrong_password'
        | 'password_too_short'
        | 'password_too_long'
        | 'password_too_common'
        | 'password_is_name';
    }
  /** Wrong, and only one more may be tried. */
  | { kind: 'last_attempt' }
  /** `retryAfter` in seconds. */
  | { kind: 'rate_limited'; retryAfter: number };

/** A problem with the password, and the field it belongs to. */
export function passwordText(problem: PasswordProblem): { field: 'current' | 'new'; text: string } {
  switch (problem.kind) {
    case 'wrong_password':
      return { field: 'current', text: 'This is not your current password.' };
    case 'last_attempt':
      return {
        field: 'current',
        text: 'This is not your current password. You have one more attempt, then you have to wait.',
      };
    case 'rate_limited':
      return { field: 'current', text: `Too many attempts. Try again in ${waitFor(problem.retryAfter)}.` };
    case 'password_too_short':
      return { field: 'new', text: 'Too short: a password has at least 8 characters.' };
    case 'password_too_long':
      return { field: 'new', text: 'Too long: a password has at most 256 characters.' };
    case 'password_too_common':
      return { field: 'new', text: 'This password is too common. Choose another one.' };
    case 'password_is_name':
      return { field: 'new', text: 'A password that is your name or e-mail address is too easy to guess.' };
  }
}
