// The profile on the account page: the names of the user, and what was wrong with a field.
import { waitFor } from './time.ts';

/** The fields of the form, in its order; those after the username are claims of the profile. */
export const profileFields = [
  { name: 'username', label: 'Username', autocomplete: 'username', longest: 254 },
  { name: 'name', label: 'Full name', autocomplete: 'name', longest: 200 },
  { name: 'given_name', label: 'First name', autocomplete: 'given-name', longest: 200 },
  { name: 'family_name', label: 'Last name', autocomplete: 'family-name', longest: 200 },
  { name: 'picture', label: 'Picture (https address)', autocomplete: 'photo', longest: 2_000 },
  { name: 'locale', label: 'Language', autocomplete: 'language', longest: 64, hint: 'Such as en or de-CH.' },
  { name: 'zoneinfo', label: 'Time zone', autocomplete: 'off', longest: 64, hint: 'Such as Europe/Zurich.' },
] as const;

export type ProfileField = (typeof profileFields)[number]['name'];

export interface ProfileProblem {
  field: ProfileField;
  kind: 'username_taken' | 'rate_limited' | 'not_allowed';
  /** What the field must be; for `not_allowed`. */
  rule?: string;
  /** Seconds; for `rate_limited`. */
  retryAfter?: number;
}

export interface ProfilePart {
  /** Sends the fields. */
  action: string;
  /** What the fields contain: what is stored, or what was typed and not accepted. */
  values: Partial<Record<ProfileField, string>>;
  problem?: ProfileProblem;
}

/** The profile as its template shows it. */
export function profileRow({ action, values, problem }: ProfilePart) {
  return {
    action,
    fields: profileFields.map((one) => ({
      hint: null,
      ...one,
      value: values[one.name] ?? '',
      problem: problem?.field === one.name ? problemText(problem) : null,
    })),
  };
}

function problemText({ kind, rule = 'must be something else', retryAfter = 60 }: ProfileProblem): string {
  if (kind === 'username_taken') return 'This username is taken.';
  if (kind === 'rate_limited') return `Too many attempts. Try again in ${waitFor(retryAfter)}.`;
  return `Not saved: this ${rule}.`;
}
