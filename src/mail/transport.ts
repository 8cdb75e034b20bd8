// Hands mails to the mail server (RFC 5321), or writes them to files where none is configured.
import { mkdir, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { createTransport, type SendMailOptions } from 'nodemailer';
import type { PeopleConfig } from '../../config/people_config.ts';
import { type MailConfig, messageOf, type OutgoingMail } from './message.ts';

export interface Transport {
  /**
   * Sends a mail; throws a {@link MailError}, also when `signal` is aborted. Returns the file to which the mail was written, or null.
   */
  send: (mail: OutgoingMail, signal: AbortSignal) => Promise<string | null>;
}

/** A mail that was not taken; `isFinal` when the server refuses this mail for good. */
export class MailError extends Error {
  readonly isFinal: boolean;
  constructor(message: string, isFinal: boolean, cause?: unknown) {
    super(message, { cause });
    this.isFinal = isFinal;
  }
}

/** Milliseconds for a connection, for the greeting, and for each answer. */
const limits = {
  connectionTimeout: 10_000,
  greetingTimeout: 10_000,
  socketTimeout: 30_000,
  dnsTimeout: 10_000,
};

/** Opens the transport of these settings; null where mails cannot be sent. */
export function openTransport({ mail, issuer }: PeopleConfig & { issuer: string }): Transport | null {
  const host = new URL(issuer).hostname;
  if (mail.smtpUrl !== null) return openSmtp(mail.smtpUrl, mail, host);
  return mail.folder === null ? null : openFolder(mail.folder, mail, host);
}

// A connection for each mail: one that hangs holds no other mail back, and ends with its signal.
function openSmtp(url: string, config: MailConfig, host: string): Transport {
  // In a container the name of the machine is none that a mail server would accept (RFC 5321, 4.1.1.1).
  const name = isIP(host.replaceAll(/[[\]]/g, '')) === 0 && host.includes('.') ? { name: host } : {};
  const smtp = createTransport({ url, ...name, disableFileAccess: true, disableUrlAccess: true, ...limits });
  return {
    async send(mail, signal) {
      const message: SendMailOptions & { signal: AbortSignal } = {
        ...messageOf(config, host, mail),
        signal,
      };
      try {
        await smtp.sendMail(message);
        return null;
      } catch (error) {
        throw mailErrorOf(error, signal);
      }
    },
  };
}

// For development: a mail as a file, which mail programs open, readable by its owner only.
function openFolder(folder: string, config: MailConfig, host: string): Transport {
  const stream = createTransport({ streamTransport: true, buffer: true, newline: 'unix' });
  return {
    async send(mail) {
      const { message } = await stream.sendMail(messageOf(config, host, mail));
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const file = join(folder, fileNameOf(mail));
      await writeFile(file, message as Buffer, { mode: 0o600 });
      return file;
    },
  };
}

function fileNameOf({ at, subject, id }: OutgoingMail): string {
  const time = at.toISOString().replaceAll(/[:.]/g, '-');
  const name = subject
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 60);
  return `${time}-${name}-${id.slice(-6)}.eml`;
}

/** Refusals of us, not of the mail: a password that is missing or wrong. They last until an operator mends them. */
const aboutUs = [530, 534, 535, 538];

// A code of 5xx is for good where it is about this mail, and so is an address that the server cannot take (no SMTPUTF8).
function mailErrorOf(error: unknown, signal: AbortSignal): MailError {
  if (signal.aborted) return new MailError('the mail server took too long', false, error);
  const {
    code = '',
    command = '',
    responseCode = 0,
  } = error as { code?: string; command?: string; responseCode?: number };
  if (responseCode === 0) return new MailError(code || 'unknown', code === 'EENVELOPE', error);
  const isAboutMail = ['MAIL FROM', 'RCPT TO', 'DATA'].includes(command) && !aboutUs.includes(responseCode);
  return new MailError(`SMTP ${responseCode}`, isAboutMail && responseCode >= 500, error);
}
