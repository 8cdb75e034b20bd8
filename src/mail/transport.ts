// Hands mails to the mail server (RFC 5321), or writes them to files where none is configured.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createTransport, type SendMailOptions } from 'nodemailer';
import type { PeopleConfig } from '../../config/people_config.ts';
import type { RenderedMail } from '../pages/mail/mail.ts';

export interface OutgoingMail extends RenderedMail {
  /** The id of its message in the outbox, which becomes its `Message-ID`. */
  id: string;
  to: string;
  at: Date;
}

export interface Transport {
  /** Sends a mail; throws a {@link MailError}. Returns the file to which it was written, or null. */
  send: (mail: OutgoingMail) => Promise<string | null>;
  close: () => void;
}

/** A mail that was not taken; `isFinal` when the server refuses this mail for good. */
export class MailError extends Error {
  readonly isFinal: boolean;
  constructor(message: string, isFinal: boolean, cause: unknown) {
    super(message, { cause });
    this.isFinal = isFinal;
  }
}

/** Milliseconds for a connection, for the greeting, and for each answer: a mail server that hangs holds one place for so long. */
const limits = { connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 30_000 };

/** Opens the transport of these settings; null where mails cannot be sent. */
export function openTransport({ mail, issuer }: PeopleConfig & { issuer: string }): Transport | null {
  if (mail.smtpUrl !== null) return openSmtp(mail.smtpUrl, mail, new URL(issuer).hostname);
  return mail.folder === null ? null : openFolder(mail.folder, mail, new URL(issuer).hostname);
}

type MailConfig = PeopleConfig['mail'];

function openSmtp(url: string, config: MailConfig, host: string): Transport {
  const smtp = createTransport(
    { url, pool: true, maxConnections: 5, disableFileAccess: true, disableUrlAccess: true, ...limits },
    {},
  );
  return {
    async send(mail) {
      try {
        await smtp.sendMail(optionsOf(config, host, mail));
        return null;
      } catch (error) {
        throw mailErrorOf(error);
      }
    },
    close: () => smtp.close(),
  };
}

// For development: a mail as a file, which mail programs open, readable by its owner only.
function openFolder(folder: string, config: MailConfig, host: string): Transport {
  const stream = createTransport({ streamTransport: true, buffer: true, newline: 'unix' });
  return {
    async send(mail) {
      const { message } = await stream.sendMail(optionsOf(config, host, mail));
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const time = mail.at.toISOString().replaceAll(/[:.]/g, '-');
      const name = mail.subject
        .toLowerCase()
        .replaceAll(/[^a-z0-9]+/g, '-')
        .slice(0, 60);
      const file = join(folder, `${time}-${name}-${mail.id.slice(-6)}.eml`);
      await writeFile(file, message as Buffer, { mode: 0o600 });
      return file;
    },
    close: () => stream.close(),
  };
}

function optionsOf({ from, replyTo }: MailConfig, host: string, mail: OutgoingMail): SendMailOptions {
  const { id, to, subject, text, html, at } = mail;
  return {
    from: from ?? `no-reply@${host}`,
    ...(replyTo === null ? {} : { replyTo }),
    // As an object, so that nothing in the address is read as a list or a name.
    to: { name: '', address: to },
    subject,
    text,
    html,
    date: at,
    messageId: `<${id}@${host}>`,
    // RFC 3834, 5: vacation responders do not answer.
    headers: { 'Auto-Submitted': 'auto-generated' },
    textEncoding: 'quoted-printable',
  };
}

// Codes of 5xx are for good where they are about this mail; after a wrong password of ours, for example, the next attempt may succeed.
function mailErrorOf(error: unknown): MailError {
  const {
    message,
    responseCode = 0,
    command = '',
  } = error as Error & { responseCode?: number; command?: string };
  const isAboutMail = ['MAIL FROM', 'RCPT TO', 'DATA'].includes(command);
  const isFinal = isAboutMail && responseCode >= 500 && responseCode < 600;
  return new MailError(responseCode ? `SMTP ${responseCode}` : message, isFinal, error);
}
