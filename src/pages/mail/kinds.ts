// The kinds of mail, and what a mail of each has to say.
import type { MailContent } from './mail.ts';

/** The mails that a request asks for, with what it takes to go on. */
export type AskedKind =
  | 'recover'
  | 'verify_email'
  | 'verify_email_known'
  | 'sign_up'
  | 'sign_up_known'
  | 'invite';

/** The mails that tell of something. */
export type ToldKind =
  | 'email_changed'
  | 'new_device'
  | 'reuse_detected'
  | 'password_changed'
  | 'password_set_by_admin'
  | 'recovery_link_created'
  | 'recovered'
  | 'user_deleted'
  | 'test';

export type MailKind = AskedKind | ToldKind;

/** What a mail has to say. */
export interface Described {
  kind: MailKind;
  /** Whether there is a code, and a link. */
  code?: string | null | undefined;
  path?: string | null | undefined;
  facts?: Record<string, string> | undefined;
  /** Until when the link works, as a text, where the mail says so. */
  until?: string | undefined;
}

/** Writes the words of one kind of mail. */
export type Write = (service: string, facts: Record<string, string>, mail: Described) => MailContent;

/** The account in a subject: a username, since an address says nothing new to its owner. */
export function accountIn({ name = '' }: Record<string, string>): string {
  return name === '' || name.includes('@') ? '' : ` (${name})`;
}
