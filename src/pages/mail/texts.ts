// The words of each kind of mail. Facts are empty for an address that nobody has proved.
import type { MailContent } from './mail.ts';

export type MailKind =
  | 'recover'
  | 'verify_email'
  | 'verify_email_known'
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
  /** Whether there is a code, and a link. */
  code?: string | null | undefined;
  path?: string | null | undefined;
  facts?: Record<string, string> | undefined;
  /** Until when the link works, as a text, where the mail says so. */
  until?: string | undefined;
}

type Write = (service: string, facts: Record<string, string>, mail: Described) => MailContent;

const notMe = 'This was not me';
const ignore = 'If you did not ask for this, you can ignore this mail: nothing changes.';
const thenRecover = 'it signs you out everywhere and lets you set a new password';

// What a notice says about its link; without one it names no link.
const reviewed = ({ path }: Described): string[] => [
  path
    ? `If this was you, there is nothing to do. If it was not, use the link above: ${thenRecover}.`
    : 'If this was you, there is nothing to do.',
];

// The account in a subject: a username, since an address says nothing new to its owner.
const of = ({ name = '' }: Record<string, string>): string =>
  name === '' || name.includes('@') ? '' : ` (${name})`;

const works = ({ until }: Described): string => (until ? `It works once, until ${until}.` : 'It works once.');

const oldPassword = 'If you already had an account with this address, sign in with its old password first.';

const asked: Record<
  'recover' | 'verify_email' | 'verify_email_known' | 'sign_up' | 'sign_up_known' | 'invite',
  Write
> = {
  recover: (service, facts, mail) => ({
    subject: mail.code
      ? `${mail.code} is your code to set a new ${service} password`
      : `Set a new ${service} password${of(facts)}`,
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

const told: Record<Exclude<MailKind, keyof typeof asked>, Write> = {
  email_changed: (service, facts, { path }) => ({
    subject: `The address of your ${service} account was changed${of(facts)}`,
    heading: 'The e-mail address was changed',
    lead: [
      facts.address
        ? `The account now has another address: ${facts.address}.`
        : 'The account does not have this address any more.',
    ],
    action: 'Undo this change',
    closing: [
      'If this was you, there is nothing to do.',
      ...(path
        ? [
            'If it was not, use the link above within seven days: it restores this address, signs you out everywhere and lets you set a new password.',
          ]
        : ['If you do not know why, ask an administrator.']),
    ],
  }),
  new_device: (service, facts, mail) => ({
    subject: `New sign-in to your ${service} account${of(facts)}`,
    heading: 'New sign-in',
    lead: ['Your account was used to sign in on a device or in a browser that was not used before.'],
    action: notMe,
    closing: reviewed(mail),
  }),
  reuse_detected: (service, facts, { path }) => ({
    subject: `A sign-in to your ${service} account was ended${of(facts)}`,
    heading: 'A sign-in was ended for your safety',
    lead: [
      'An old token of this sign-in was used a second time. Somebody may have copied it, so it was ended.',
    ],
    action: notMe,
    closing: [
      'If you restored a device from a backup, sign in there again: there is nothing else to do.',
      ...(path ? [`If you do not know this device, use the link above: ${thenRecover}.`] : []),
    ],
  }),
  password_changed: (service, facts, mail) => ({
    subject: `Your ${service} password was changed${of(facts)}`,
    heading: 'Your password was changed',
    lead: ['You were signed out everywhere else.'],
    action: notMe,
    closing: reviewed(mail),
  }),
  password_set_by_admin: (service, facts, { path }) => ({
    subject: `An administrator set your ${service} password${of(facts)}`,
    heading: 'An administrator set your password',
    lead: ['You were signed out everywhere. Sign in with the password that you were given.'],
    action: 'I did not expect this',
    closing: path ? [`If you did not expect this, use the link above: ${thenRecover}.`] : [],
  }),
  recovered: (service, facts, mail) => ({
    subject: `Your ${service} password was reset${of(facts)}`,
    heading: 'Your password was reset',
    lead: ['A code or link from a mail was used to set a new password. You were signed out everywhere.'],
    action: notMe,
    closing: reviewed(mail),
  }),
  user_deleted: (service, facts) => ({
    subject: `Your ${service} account was deleted${of(facts)}`,
    heading: 'Your account was deleted',
    lead: ['You were signed out everywhere, and the data of the account was removed.'],
    closing: ['This is the last mail about this account.'],
  }),
  test: (service) => ({
    subject: `Test mail from ${service}`,
    heading: 'Mail works',
    lead: ['An operator sent this mail to test the mail settings.'],
    closing: [],
  }),
};

const kinds: Record<MailKind, Write> = { ...asked, ...told };

/** The words of a mail of this service. */
export function describeMail(service: string, mail: Described): MailContent {
  return kinds[mail.kind](service, mail.facts ?? {}, mail);
}
