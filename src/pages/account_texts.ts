// What the account page says: after an action, about an ended session, about a password that was refused.
import { waitFor } from './time.ts';

/**
 * What an action came to. A code and never a text: it may travel in a URL, and a text there could be anybody's.
 * `isProblem` is for those that went wrong.
 */
export interface Flash {
  code: FlashCode;
  /** How many, where the text says it. */
  count?: number;
  isProblem?: boolean;
}

const flashes = {
  session_ended: () => 'That device is signed out.',
  others_ended: (count: number) =>
    count === 0
      ? 'There was no other device to sign out.'
      : `${count === 1 ? 'One other device is' : `${count} other devices are`} signed out.`,
  device_renamed: () => 'The device has its new name.',
  browser_session_ended: () => 'That browser is signed out.',
  access_withdrawn: () => 'The app has no access any more, and its devices are signed out.',
  password_changed: () => 'Your password is changed, and every other device is signed out.',
  profile_changed: () => 'Your profile is saved.',
  not_found: () => 'That was gone already. The page is up to date now.',
  invalid_name: () => 'A name has 1 to 100 characters.',
  form_expired: () => 'This page was open for too long, so nothing was changed. Please try again.',
  rate_limited: () => 'Too many requests. Please wait a moment and try again.',
} satisfies Record<string, (count: number) => string>;

export type FlashCode = keyof typeof flashes;

/** Whether `value`, from a URL or a cookie, names a flash. */
export function isFlashCode(value: unknown): value is FlashCode {
  return typeof value === 'string' && Object.hasOwn(flashes, value);
}

/** The flash in words. */
export function flashText({ code, count = 0 }: Flash): string {
  return flashes[code](count);
}

/** Why a session ended, in words, and whether that is something to worry about. */
export interface EndedText {
  reason: string;
  isAlarming: boolean;
}

const reasons: Record<string, string> = {
  logout: 'Signed out there',
  ended_by_user: 'You signed it out',
  logout_all: 'You signed out everywhere',
  device_removed: 'You removed the device',
  token_revoked: 'The app signed out',
  password_changed: 'Your password was changed',
  consent_withdrawn: 'You withdrew the app’s access',
  ended_by_admin: 'An administrator signed it out',
  user_banned: 'The account was banned',
  user_disabled: 'The account was disabled',
  user_deleted: 'The account was deleted',
  client_deleted: 'The app was removed',
  expired: 'It was not used for too long',
};

// Said in full, because whoever reads it should do something.
const alarming: Record<string, string> = {
  reuse_detected:
    'We signed it out to be safe: an old sign-in was used a second time, which may mean that it was copied. If you do not know why, change your password.',
  code_reused:
    'We signed it out to be safe: its sign-in was used twice, which may mean that somebody else saw it.',
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
  /** `retryAfter` in seconds. */
  | { kind: 'rate_limited'; retryAfter: number };

/** A problem with the password, and the field it belongs to. */
export function passwordText(problem: PasswordProblem): { field: 'current' | 'new'; text: string } {
  switch (problem.kind) {
    case 'wrong_password':
      return { field: 'current', text: 'This is not your current password.' };
    case 'rate_limited':
      return { field: 'current', text: `Too many attempts. Try again in ${waitFor(problem.retryAfter)}.` };
    case 'password_too_short':
      return { field: 'new', text: 'Too short: a password has at least 8 characters.' };
    case 'password_too_long':
      return { field: 'new', text: 'Too long: a password has at most 256 characters.' };
    case 'password_too_common':
      return { field: 'new', text: 'This is one of the first that anybody would try. Choose another one.' };
    case 'password_is_name':
      return { field: 'new', text: 'Your name or e-mail address is too easy to guess.' };
  }
}

/** What was refused of a changed profile, and why, in words. */
export interface ProfileProblem {
  field: 'username' | 'email';
  text: string;
}
