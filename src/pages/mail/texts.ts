// The words of each kind of mail. Facts are empty for an address that nobody has proved.
import type { MailContent } from './mail.ts';

export type MailKind =
  | 'recover'
  | 'verify_email'
  | 'sign_up'
  | 'sign_up_known'
  | 'invite'
  | 'email_changed'
  | 'new_device'
  | 'reuse_detected'
  | 'password_changed'
  | 'password_set_by_admin'
  | 'recovered'
  | 'user_deleted'
  | 'test';

interface Described {
  kind: MailKind;
  to: string;
  code?: string | null | undefined;
  path?: string | null | undefined;
  facts?: Record<string, string> | undefined;
}

type Write = (service: string, facts: Record<string, string>, mail: Described) => MailContent;

const notYou = 'This was not me';
const ignore = 'If you did not ask for this, ignore this mail: nothing changes.';
const reviewed =
  'If this was you, there is nothing to do. If it was not, use the link: it ends all sessions and starts a recovery.';

const forUser = ({ name }: Record<string, string>): string => (name ? ` for ${name}` : '');

const kinds: Record<MailKind, Write> = {
  recover: (service, facts, { code }) => ({
    subject: code
      ? `${code} is your code to set a new ${service} password`
      : `Set a new ${service} password${forUser(facts)}`,
    heading: `Set a new password${forUser(facts)}`,
    lead: [
      code
        ? 'Enter this code where you asked for it, within 10 minutes, or open the link within an hour. Either works once.'
        : 'Open the link to set a new password. It works once.',
    ],
    action: 'Set a new password',
    closing: [...(facts.note ? [facts.note] : []), ignore],
  }),
  verify_email: (service, facts, { code }) => ({
    subject: code
      ? `${code} is your code to confirm your address for ${service}`
      : `Confirm your address for ${service}`,
    heading: 'Confirm your e-mail address',
    lead: [
      'Enter this code where you asked for it, within 10 minutes, or open the link within a day, in a browser in which you are signed in.',
      ...(facts.taken ? [facts.taken] : []),
    ],
    action: 'Confirm this address',
    closing: [ignore],
  }),
  sign_up: (service, _facts, { code }) => ({
    subject: code ? `${code} is your code to create a ${service} account` : `Create your ${service} account`,
    heading: `Create your ${service} account`,
    lead: [
      code
        ? 'Enter this code where you asked for it, within 10 minutes, or open the link within a day. Either works once.'
        : 'Open the link within a day. It works once.',
      'If you already had an account with this address, sign in with its old password first.',
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
        ? 'Sign in with its password. If you forgot it, set a new one by the link.'
        : 'Sign in with its password.',
    ],
    action: 'Set a new password',
    closing: [ignore],
  }),
  invite: (service) => ({
    subject: `You are invited to ${service}`,
    heading: `You are invited to ${service}`,
    lead: ['Open the link to accept the invitation. It is for this address alone, and works once.'],
    action: 'Accept the invitation',
    closing: ['If you did not expect an invitation, ignore this mail: nothing happens.'],
  }),
  email_changed: (service, facts) => ({
    subject: `The address of your ${service} account was changed`,
    heading: `The e-mail address${forUser(facts)} was changed`,
    lead: [`The account now has another address${facts.address ? `: ${facts.address}` : ''}.`],
    action: 'Undo this change',
    closing: [
      'If this was you, there is nothing to do. The link works for seven days: it restores this address and ends all sessions.',
    ],
  }),
  new_device: (service, facts) => ({
    subject: `New sign-in to your ${service} account`,
    heading: `New sign-in${forUser(facts)}`,
    lead: ['Somebody signed in on a device that was not used before.'],
    action: notYou,
    closing: [reviewed],
  }),
  reuse_detected: (service, facts) => ({
    subject: `A sign-in to your ${service} account was ended`,
    heading: `A sign-in${forUser(facts)} was ended`,
    lead: ['An old token of it was used again. Somebody may have copied it, so the sign-in was ended.'],
    action: notYou,
    closing: [
      'If you restored a device from a backup, sign in again there. If you do not know the device, use the link: it ends all sessions and starts a recovery.',
    ],
  }),
  password_changed: (service, facts) => ({
    subject: `Your ${service} password was changed`,
    heading: `The password${forUser(facts)} was changed`,
    lead: ['All other sessions were ended.'],
    action: notYou,
    closing: [reviewed],
  }),
  password_set_by_admin: (service, facts) => ({
    subject: `An administrator set your ${service} password`,
    heading: `An administrator set the password${forUser(facts)}`,
    lead: ['All sessions were ended.', ...(facts.reason ? [`The reason: ${facts.reason}`] : [])],
    action: notYou,
    closing: ['If you did not expect this, use the link: it ends all sessions and starts a recovery.'],
  }),
  recovered: (service, facts) => ({
    subject: `Your ${service} account was recovered`,
    heading: `A new password was set${forUser(facts)}`,
    lead: ['It was set by a code or link from a mail. All sessions were ended.'],
    action: notYou,
    closing: [reviewed],
  }),
  user_deleted: (service, facts) => ({
    subject: `Your ${service} account was deleted`,
    heading: `The account${forUser(facts)} was deleted`,
    lead: ['All its sessions were ended and its data was removed.'],
    closing: ['This is the last mail to this address.'],
  }),
  test: (service) => ({
    subject: `A test mail of ${service}`,
    heading: 'Mail works',
    lead: ['An operator sent this mail to test the mail settings.'],
    closing: [],
  }),
};

/** The words of a mail of this service. */
export function describeMail(service: string, mail: Described): MailContent {
  return kinds[mail.kind](service, mail.facts ?? {}, mail);
}
