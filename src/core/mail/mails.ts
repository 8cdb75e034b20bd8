// The kinds of mail, and how one is enqueued. What a mail says is rendered when it is sent.

import { codeLifetime } from '../one_time_codes/purposes.ts';
import { enqueueMessages, enqueueNothing, type MessageRow, readBody } from '../outbox/outbox.ts';
import type { RequestSource } from '../request_source.ts';
import type { Db } from '../store/db.ts';

export type MailKind =
  /** Code and link to set a new password. */
  | 'recover'
  /** Code and link to prove a new address of a user. */
  | 'verify_email'
  /** A wish for an address that is proved already: says so, without a code. */
  | 'verify_email_known'
  /** Code and link to complete a sign-up. */
  | 'sign_up'
  /** A sign-up with the address of a user: says so, and offers recovery. */
  | 'sign_up_known'
  | 'invite'
  /** To the former address, with the link that undoes the change. */
  | 'email_changed'
  | 'new_device'
  | 'reuse_detected'
  | 'password_changed'
  | 'password_set_by_admin'
  /** An administrator has made a link that sets a new password, and gives it to the user by another way. */
  | 'recovery_link_created'
  | 'recovered'
  | 'user_deleted'
  | 'test';

/** The kinds that `NOTICES` can turn off. A mail with a link that undoes something is not among them. */
export const notices = ['new_device', 'reuse_detected', 'password_changed', 'recovered'] as const;

export interface NewMail {
  kind: MailKind;
  /** The stored spelling of the address, never one that was typed in this request. */
  to: string;
  user_id?: string | null;
  /** Whether the address is proved; else the mail has no text that a requester chose. */
  isProved: boolean;
  code?: string | null;
  /** The local path of its one link, with its secret part, such as `/recover/<token>`. */
  path?: string | null;
  /** Whether the mailbox gets no more such mails for now (`takeMail`); the mail then says so. */
  isLast?: boolean;
  /** The zone in which times are shown; UTC when absent. */
  zoneinfo?: string | undefined;
  /** What it concerns, by the names that the templates know. */
  facts?: Record<string, string>;
  /** The request that caused it, as far as the mail says from where. */
  source?: Pick<RequestSource, 'ip' | 'user_agent'>;
  /** When it happened. */
  at: Date;
  /** When its link dies. A mail with a code is of no use sooner: when the code dies. */
  expires_at?: Date | null;
}

/** The sealed body of a mail: everything but what the row has in columns. */
export type MailBody = Omit<NewMail, 'kind' | 'user_id' | 'at' | 'expires_at'> & {
  at: string;
  expires_at: string | null;
};

/** Enqueues a mail, in the transaction that causes it. */
export async function enqueueMail(db: Db, mail: NewMail): Promise<void> {
  const { kind, user_id = null, at, expires_at = null, ...rest } = mail;
  const body: MailBody = { ...rest, at: at.toISOString(), expires_at: expires_at?.toISOString() ?? null };
  // Not until its link dies: a mail whose code is dead when it arrives would be taken for the newest one.
  const end = mail.code ? { expires_in: codeLifetime } : { expires_at };
  await enqueueMessages(db, [{ kind: 'mail', receiver: 'mail', subject: kind, user_id, body, ...end }]);
}

/** Costs what this mail would cost, and enqueues none. */
export async function enqueueNoMail(db: Db, { at, kind: _kind, ...rest }: NewMail): Promise<void> {
  await enqueueNothing(db, { ...rest, at: at.toISOString() });
}

/** The body of a claimed mail. */
export function readMail(db: Db, message: Pick<MessageRow, 'id' | 'body'>): MailBody {
  return readBody(db, message) as MailBody;
}
