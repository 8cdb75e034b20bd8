// The part of the account page for the user's data: the download of everything, and the deletion of the account.
import { passwordText } from './account_texts.ts';
import type { Brand } from './brand.ts';
import { waitFor } from './time.ts';
import { renderPage } from './view.ts';

/** Why the account was not deleted, or its data not sent. */
export type DataProblem =
  | { kind: 'wrong_password' }
  | { kind: 'wrong_name' | 'last_admin' | 'old_login' }
  | { kind: 'last_attempt' }
  /** `retryAfter` in seconds. */
  | { kind: 'rate_limited'; retryAfter: number }
  /** Of the download. */
  | { kind: 'export_old_login' }
  | { kind: 'export_rate_limited'; retryAfter: number };

export interface DataPart {
  exportAction: string;
  deleteAction: string;
  /** What the form of the deletion asks for: `current_password`, or the user's `name` where there is no password. */
  asks: 'current_password' | 'name';
  problem?: DataProblem;
}

/** The texts of a problem: beside the field of the deletion, or below the download. */
export function dataText(problem: DataProblem): { of: 'export' | 'field' | 'deletion'; text: string } {
  switch (problem.kind) {
    case 'wrong_password':
    case 'last_attempt':
    case 'rate_limited':
      return { of: 'field', text: passwordText(problem).text };
    case 'wrong_name':
      return { of: 'field', text: 'That is not your name. Nothing was deleted.' };
    case 'last_admin':
      return {
        of: 'deletion',
        text: 'You are the only administrator. Make another user an administrator first.',
      };
    case 'old_login':
      return {
        of: 'deletion',
        text: 'You signed in a while ago. Sign out, sign in again, then delete the account.',
      };
    case 'export_old_login':
      return { of: 'export', text: 'You signed in a while ago. Sign out, sign in again, then download.' };
    case 'export_rate_limited':
      return {
        of: 'export',
        text: `You downloaded your data just now. Try again in ${waitFor(problem.retryAfter)}.`,
      };
  }
}

/** Confirms the deletion. */
export function renderDeleted(brand: Brand): string {
  return renderPage(brand, 'account_deleted', { title: 'Your account was deleted' }, {});
}
