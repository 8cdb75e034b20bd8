// The words of the mails that tell of what has happened to an account.
import { accountIn, type Described, type ToldKind, type Write } from './kinds.ts';

const notMe = 'This was not me';
const thenRecover = 'it signs you out everywhere and lets you set a new password';

// What a notice says about its link; without one it names no link.
const reviewed = ({ path }: Described): string[] => [
  path
    ? `If this was you, there is nothing to do. If it was not, use the link above: ${thenRecover}.`
    : 'If this was you, there is nothing to do.',
];

const unexpected = (path: Described['path']): string[] =>
  path ? [`If you did not expect this, use the link above: ${thenRecover}.`] : [];

/** The words of the mails that tell of something. */
export const notices: Record<ToldKind, Write> = {
  email_changed: (service, facts, { path }) => ({
    subject: `The address of your ${service} account was changed${accountIn(facts)}`,
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
    subject: `New sign-in to your ${service} account${accountIn(facts)}`,
    heading: 'New sign-in',
    lead: ['Your account was used to sign in on a device or in a browser that was not used before.'],
    action: notMe,
    closing: reviewed(mail),
  }),
  reuse_detected: (service, facts, { path }) => ({
    subject: `A sign-in to your ${service} account was ended${accountIn(facts)}`,
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
    subject: `Your ${service} password was changed${accountIn(facts)}`,
    heading: 'Your password was changed',
    lead: ['You were signed out everywhere else.'],
    action: notMe,
    closing: reviewed(mail),
  }),
  password_set_by_admin: (service, facts, { path }) => ({
    subject: `An administrator set your ${service} password${accountIn(facts)}`,
    heading: 'An administrator set your password',
    lead: ['You were signed out everywhere. Sign in with the password that you were given.'],
    action: 'I did not expect this',
    closing: unexpected(path),
  }),
  recovery_link_created: (service, facts, { path }) => ({
    subject: `An administrator made a link to reset your ${service} password${accountIn(facts)}`,
    heading: 'A link to reset your password was made',
    lead: [
      'An administrator made a link that sets a new password once, within an hour, and will hand it to you.',
      'Your password works until the link is used.',
    ],
    action: 'I did not expect this',
    closing: unexpected(path),
  }),
  recovered: (service, facts, mail) => ({
    subject: `Your ${service} password was reset${accountIn(facts)}`,
    heading: 'Your password was reset',
    lead: ['A code or link from a mail was used to set a new password. You were signed out everywhere.'],
    action: notMe,
    closing: reviewed(mail),
  }),
  user_deleted: (service, facts) => ({
    subject: `Your ${service} account was deleted${accountIn(facts)}`,
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
