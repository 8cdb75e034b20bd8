// A mail as MIME (RFC 5322, 2045): its headers and its two forms.
import type { SendMailOptions } from 'nodemailer';
import type { PeopleConfig } from '../../config/people_config.ts';
import type { RenderedMail } from '../pages/mail/mail.ts';

export type MailConfig = PeopleConfig['mail'];

export interface OutgoingMail extends RenderedMail {
  /** The id of its message in the outbox, which becomes its `Message-ID`. */
  id: string;
  /** The address in the form of the envelope. */
  to: string;
  at: Date;
}

/** The longest line that is sent as it is, octets; RFC 5321, 4.5.3.1.6, allows 998. */
const longestLine = 900;

/** What nodemailer makes a message of. `host` is that of the issuer. */
export function messageOf({ from, replyTo }: MailConfig, host: string, mail: OutgoingMail): SendMailOptions {
  const { id, to, subject, text, html, at } = mail;
  return {
    from: from === null ? { name: '', address: `no-reply@${host}` } : senderOf(from),
    ...(replyTo === null ? {} : { replyTo: { name: '', address: replyTo } }),
    // As an object, so that nothing in the address is read as a list or a name.
    to: { name: '', address: to },
    subject,
    alternatives: [
      canBePlain(text)
        ? { raw: plainPart(text) }
        : { contentType: 'text/plain; charset=utf-8', content: text },
      { contentType: 'text/html; charset=utf-8', content: html },
    ],
    date: at,
    // The same whenever this message is sent, so that a second copy is recognized.
    messageId: `<${id}@${host}>`,
    // RFC 3834, 5: vacation responders do not answer.
    headers: { 'Auto-Submitted': 'auto-generated' },
    textEncoding: 'quoted-printable',
  };
}

// Also the name could have a comma, which would be read as a list.
function senderOf(from: string): { name: string; address: string } {
  const [, name = '', address = from] = /^([^<>]*)<([^<>]+)>$/.exec(from) ?? [];
  return { name: name.trim(), address };
}

// Text that needs no encoding is sent without one, so that its link is whole in the source of the message too. A `=` needs it:
// programs that decode what is not encoded would read `=2a` as another character.
function canBePlain(text: string): boolean {
  return (
    /^[\t\n\x20-\x3c\x3e-\x7e]*$/.test(text) && text.split('\n').every((line) => line.length <= longestLine)
  );
}

function plainPart(text: string): string {
  const headers = 'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit';
  return `${headers}\r\n\r\n${text.replaceAll('\n', '\r\n')}`;
}
