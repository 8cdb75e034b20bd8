// The mails that wait in the outbox of a database on which no server sends them.
import type { Knex } from 'knex';
import { type MailBody, readMail } from '../../src/core/mail/mails.ts';
import { setNotices } from '../../src/core/mail/notices.ts';
import { setOutboxKeyring } from '../../src/core/outbox/outbox.ts';
import { keyring } from './builders.ts';

/** Lets a database enqueue mails and notices, as a server with a mail server does. */
export function enableMail(
  db: Knex,
  kinds: readonly string[] = ['new_device', 'reuse_detected', 'password_changed', 'recovered'],
) {
  setOutboxKeyring(db, keyring);
  setNotices(db, kinds);
}

/** The waiting mails, the oldest first. */
export async function waitingMails(db: Knex): Promise<(MailBody & { kind: string })[]> {
  // As they were written: ids of one millisecond are in no order.
  const written = db.client.config.client === 'pg' ? 'ctid' : 'rowid';
  const found = await db('outbox').where({ kind: 'mail' }).orderByRaw(written);
  return found.map((row) => ({ ...readMail(db, row), kind: row.subject }));
}

/** The secret part of the link of a mail. */
export function secretOf({ path }: Pick<MailBody, 'path'>): string {
  return path?.split('/').at(-1) ?? '';
}
