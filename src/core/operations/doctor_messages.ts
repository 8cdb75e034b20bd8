// Checks of the doctor on mail and on the outbox: whether mails can be sent, and what waits or was given up.
import type { Knex } from 'knex';
import type { Config } from '../../../config/index.ts';
import { formatCount, formatDuration, formatNumberOf } from '../../lib/format.ts';
import { countMessages, findOldestMessage, mostCounted } from '../outbox/messages.ts';
import { readClock } from '../store/sql_time.ts';
import type { Finding } from './finding.ts';

type Settings = Pick<Config, 'mail' | 'recovery'>;

/** Seconds after which a message that is due and that no server takes is wrong, and after which one that waits is worth a note. */
const overdue = 600;
const long = 3_600;

/** Says where mails go, and whether users can recover by mail. */
export function checkMail({ mail, recovery }: Settings): Finding[] {
  const found: Finding[] = [describeMail(mail)];
  if (!recovery)
    found.push({
      check: 'mail',
      state: 'note',
      text: 'RECOVERY is off: a user who forgot the password needs an administrator',
      advice: 'set SMTP_URL and MAIL_FROM, or hand out a link: kindred recovery-link <user>',
    });
  return found;
}

function describeMail({ smtpUrl, folder, from }: Config['mail']): Finding {
  const check = 'mail';
  if (smtpUrl !== null) {
    const { hostname, port, protocol } = new URL(smtpUrl);
    const server = `${protocol}//${hostname}${port ? `:${port}` : ''}`;
    return { check, state: 'good', text: `${server} sends mails from ${from}`, data: { server, from } };
  }
  const advice = 'set SMTP_URL and MAIL_FROM, then try them: kindred send-test-mail <address>';
  const text =
    folder === null
      ? 'mail is not configured: users get no notices, and no code by mail'
      : `there is no mail server; mails are files in ${folder}`;
  return { check, state: 'note', text, advice };
}

/** Checks that messages are delivered, and names how many were given up. */
export async function checkMessages(db: Knex, { mail }: Pick<Settings, 'mail'>): Promise<Finding> {
  const check = 'messages';
  const [counts, oldest, now] = [
    await countMessages(db),
    await findOldestMessage(db, 'waiting'),
    await readClock(db),
  ];
  const age = (since: Date | undefined) =>
    since ? Math.max(0, (now.getTime() - since.getTime()) / 1_000) : 0;
  const waits = age(oldest?.created_at);
  const data = { ...counts, oldest_waiting_seconds: Math.round(waits) };
  const waiting = `${atLeast(counts.waiting)} waiting${oldest ? `, the oldest for ${describeAge(waits)}` : ''}`;
  const text = `${waiting}; ${atLeast(counts.dead)} given up`;
  const isSent = oldest?.kind !== 'mail' || mail.smtpUrl !== null || mail.folder !== null;
  if (age(oldest?.next_attempt_at) > overdue && isSent) {
    const advice = 'check that a server of this version runs, and what its log says about the outbox';
    return { check, state: 'wrong', text: `${text}; no server delivers them`, advice, data };
  }
  if (counts.dead === 0 && waits < long) return { check, state: 'good', text, data };
  const advice = 'kindred outbox shows their errors; kindred outbox retry <id> or drop <id>';
  return { check, state: 'note', text, advice, data };
}

function atLeast(n: number): string {
  return n < mostCounted ? formatCount(n) : `${formatCount(n)} or more`;
}

function describeAge(seconds: number): string {
  return seconds < 5_400 ? formatNumberOf(Math.round(seconds / 60), 'minute') : formatDuration(seconds);
}
