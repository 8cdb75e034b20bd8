// The part of the account page for the address: changing it, and proving the new or the present one.
import { waitFor } from './time.ts';

/** Why the address was not changed or proved. */
export type EmailProblem =
  | { kind: 'invalid_email' | 'email_domain_not_allowed' | 'wrong_password' | 'recovery_required' }
  /** Of the code. */
  | { kind: 'invalid_code' | 'email_taken' }
  /** `retryAfter` in seconds. */
  | { kind: 'rate_limited'; retryAfter: number };

export interface EmailPart {
  address: string | null;
  isProved: boolean;
  /** The address that waits for its code. */
  pending: string | null;
  /** Sends `email` and `current_password`; null where the user has no password, or no mail can be sent. */
  action: string | null;
  /** Sends `code`. */
  verifyAction: string;
  /** What was typed before. */
  typed?: string;
  problem?: EmailProblem;
}

/** The text of a problem, and the field that it belongs to. */
export function emailText(problem: EmailProblem): { field: 'email' | 'current' | 'code'; text: string } {
  switch (problem.kind) {
    case 'invalid_email':
      return { field: 'email', text: 'This is not an e-mail address that we can use.' };
    case 'email_domain_not_allowed':
      return { field: 'email', text: 'Addresses of this domain are not allowed here.' };
    case 'wrong_password':
      return { field: 'current', text: 'Wrong current password.' };
    case 'recovery_required':
      return { field: 'current', text: 'This password cannot be used any more. Set a new one first.' };
    case 'invalid_code':
      return {
        field: 'code',
        text: 'The code is wrong, was used, or has expired. The link of the mail works longer.',
      };
    case 'email_taken':
      return { field: 'code', text: 'This address belongs to another account meanwhile.' };
    case 'rate_limited':
      return { field: 'current', text: `Too many attempts. Try again in ${waitFor(problem.retryAfter)}.` };
  }
}

/** What the template shows. */
export function emailView({ problem, typed, ...part }: EmailPart) {
  return {
    ...part,
    // An address that nobody has proved is offered for its proof.
    typed: typed ?? (part.address !== null && !part.isProved ? part.address : ''),
    problem: problem ? emailText(problem) : null,
  };
}
