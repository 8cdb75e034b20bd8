// What one-time codes are for, and how long they live.

export type Purpose = 'recover' | 'verify_email' | 'undo_email' | 'sign_up' | 'invite' | 'not_me';

interface Rules {
  /** Seconds for which the six-digit code works; null where there is only a link. */
  code: number | null;
  /** Seconds for which the link works. */
  link: number;
  /** Whether a change of the user's password, address, factors or status makes it void. */
  diesWithUser: boolean;
}

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;

/** Seconds for which every six-digit code works. */
export const codeLifetime = 10 * minute;

/** Codes are short, so they live for minutes; links cannot be guessed. */
export const purposes: Record<Purpose, Rules> = {
  recover: { code: codeLifetime, link: hour, diesWithUser: true },
  verify_email: { code: codeLifetime, link: day, diesWithUser: true },
  sign_up: { code: codeLifetime, link: day, diesWithUser: false },
  invite: { code: null, link: 7 * day, diesWithUser: false },
  undo_email: { code: null, link: 7 * day, diesWithUser: false },
  not_me: { code: null, link: 7 * day, diesWithUser: false },
};

/** The most codes of one request that are alive; a further one makes the oldest void. */
export const mostAlive = 3;

/** Wrong codes of one request, after which its codes are void. */
export const mostTries = 5;

/** Wrong codes for one user over all requests within {@link userWindow} seconds, after which only links work. */
export const mostUserTries = 15;
export const userWindow = 24 * hour;
