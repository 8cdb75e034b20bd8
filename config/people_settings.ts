// The settings of mail, recovery and sign-up, and what follows from them together.
import { z } from 'zod';
import { allowance } from './rate_limits.ts';

/** The kinds of notices to users that can be turned off. */
export const noticeKinds = ['new_device', 'reuse_detected', 'password_changed', 'recovered'] as const;

const noticeKind = z.enum(noticeKinds);

export type NoticeKind = z.output<typeof noticeKind>;

const noticeList = z.string().transform((value, check) => {
  if (value === 'none') return [];
  const list = value.split(',').map((one) => noticeKind.safeParse(one.trim()));
  if (list.every(({ success }) => success)) return list.flatMap(({ data }) => data ?? []);
  check.addIssue(`must be none, or a comma list of ${noticeKinds.join(', ')}`);
  return z.NEVER;
});

const domains = z.string().transform((value, check) => {
  const list = value.split(',').map((one) => one.trim().toLowerCase());
  if (list.every((one) => /^[^\s@,]+\.[^\s@,.]+$/.test(one))) return list;
  check.addIssue('must be a comma list of domains, like example.com,example.org');
  return z.NEVER;
});

export const peopleSettings = {
  SMTP_URL: z
    .url({ protocol: /^smtps?$/ })
    .optional()
    .describe(
      'the mail server: `smtp://user:password@host:587` (STARTTLS where offered; `?requireTLS=true` insists) or `smtps://…:465`; without one, development writes mails to `data/mail/` ([docs/mail.md](docs/mail.md))',
    ),
  MAIL_FROM: z
    .string()
    .max(320)
    .regex(
      /^([^<>\r\n"]+ <[^\s<>@]+@[^\s<>@]+>|[^\s<>@]+@[^\s<>@]+)$/,
      'must be an address, or Name <address>',
    )
    .optional()
    .describe('the sender of mails, like `Example <login@example.com>`; required with `SMTP_URL`'),
  MAIL_REPLY_TO: z
    .string()
    .max(320)
    .regex(/^[^\s<>@]+@[^\s<>@]+$/, 'must be an address')
    .optional()
    .describe('the address to which replies go'),
  RECOVERY: z
    .enum(['mail', 'off'])
    .optional()
    .describe(
      'whether users who forgot their password get a code by `mail` (default: `mail` with `SMTP_URL` and in development, else `off`)',
    ),
  SIGN_UP: z
    .enum(['off', 'invite', 'open'])
    .default('invite')
    .describe(
      'who may create an account: people with an invitation (`invite`), or any person (`open`); with `off` only administrators create users',
    ),
  SIGN_UP_DOMAINS: domains
    .optional()
    .describe(
      'the domains of addresses that may sign up, or be changed to, by users themselves; any when unset',
    ),
  NOTICES: noticeList
    .default([...noticeKinds])
    .describe(
      'the notices that users get by mail, of `new_device`, `reuse_detected`, `password_changed`, `recovered`, or `none`; all by default',
    ),
  RATE_LIMIT_MAIL: allowance('6/3600').describe('mails with a code or link to one mailbox: number/seconds'),
  RATE_LIMIT_MAIL_ADDRESS: allowance('20/3600').describe(
    'requests that cause such mails, per network address: number/seconds',
  ),
};
