// The words of each kind of mail. Facts are empty for an address that nobody has proved.
import { type AskedKind, accountIn, type Described, type MailKind, type Write } from './kinds.ts';
import type { MailContent } from './mail.ts';
import { notices } from './notice_texts.ts';

const ignore = 'If you did not ask for this, you can ignore this mail: nothing changes.';

const works = ({ until }: Described): string => (until ? `It works once, until ${until}.` : 'It works once.');

const oldPassword = 'If you already had an account with this address, sign in with its old password first.';

const asked: Record<AskedKind, Write> = {
  recover: (service, facts, mail) => ({
    subject: mail.code
      ? `${mail.code} is your code to set a new ${service} password`
      : `Set a new ${service} password${accountIn(facts)}`,
    heading: 'Set a new password',
    lead: [
      mail.code
        ? 'Enter this code where you asked for it, within 10 minutes. Or open the link, within an hour. Either works once.'
        : `Open the link to set a new password. ${works(mail)}`,
    ],
    action: 'Set a new password',
    closing: [ignore],
  }),
  verify_email: (service, _facts, { code }) => ({
    subject: code
      ? `${code} is your code to confirm your address for ${service}`
      : `Confirm your address for ${service}`,
    heading: 'Confirm your e-mail address',
    lead: [
      'Enter this code where you asked for it, within 10 minutes. Or open the link in a browser in which you are signed in, within a day.',
      oldPassword,
    ],
    action: 'Confirm this address',
    closing: [ignore],
  }),
  verify_email_known: (service) => ({
    subject: `This address already belongs to a ${service} account`,
    heading: 'This address already belongs to an account',
    lead: [
      `Somebody asked to use this address for a ${service} account, but it belongs to one already, or can still be restored to one.`,
      'Nothing has changed. If this was you, sign in to the account that has this address, or choose another address.',
    ],
    closing: [ignore],
  }),
  sign_up: (service, _facts, { code }) => ({
    subject: code ? `${code} is your code to create a ${service} account` : `Create your ${service} account`,
    heading: `Create your ${service} account`,
    lead: [
      code
        ? 'Enter this code where you asked for it, within 10 minutes. Or open the link, within a day. Either works once.'
        : 'Open the link within a day. It works once.',
      oldPassword,
    ],
    action: 'Create the account',
    closing: [ignore],
  }),
  sign_up_known: (service, _facts, { path }) => ({
    subject: `You already have a ${service} account`,
    heading: 'You already have an account',
    lead: [
      `Somebody asked to create a ${service} account with this address, which has one already.`,
      path
        ? 'Sign in with its password. If you forgot the password, set a new one.'
        : 'Sign in with its password.',
    ],
    action: 'Set a new password',
    closing: [ignore],
  }),
  invite: (service, _facts, mail) => ({
    subject: `You are invited to ${service}`,
    heading: `You are invited to ${service}`,
    lead: [`Open the link to accept the invitation. It is for this address alone. ${works(mail)}`],
    action: 'Accept the invitation',
    closing: ['If you did not expect an invitation, you can ignore this mail: nothing happens.'],
  }),
};

const kinds: Record<MailKind, Write> = { ...asked, ...notices };

/** The words of a mail of this service. */
export function describeMail(service: string, mail: Described): MailContent {
  return kinds[mail.kind](service, mail.facts ?? {}, mail);
}
