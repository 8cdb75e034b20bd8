// Every kind of mail with plausible data, and with hostile names.

import type { MailKind } from '../../../src/pages/mail/kinds.ts';
import type { Mail } from '../../../src/pages/mail/mail.ts';

/** A secret of the form of those in links. */
export const secret = 'Q'.repeat(43);

/** Names that try to end a header or a line, to change the direction, to be markup; and one of a hundred letters. */
export const nastyNames = [
  'Ada\r\nBcc: victim@example.com\r\n\r\nYour code: 000000',
  'a\u2028b\u2029c\u0085d\u0000e',
  '\u202eevil\u2066 שלום عربي',
  `"'><script>alert(1)</script></title></style><a href="https://evil.example">x</a>`,
  '👩‍👩‍👧 =3D=2a ✓',
  'W'.repeat(100),
  '<victim@example.com>, other@example.com',
  '\ud800half',
];

const base = {
  to: 'ada@example.com',
  zoneinfo: 'Europe/Berlin',
  source: {
    ip: '203.0.113.7',
    user_agent: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  },
  at: new Date('2026-05-03T12:03:00Z'),
  origin: 'https://id.example',
};

const known = { ...base, isProved: true, facts: { name: 'ada' } };
const unknown = { ...base, isProved: false };
const notMe = `/not-me/${secret}`;

/** One mail of each kind, as the server sends them. */
export const samples: Record<MailKind, Mail> = {
  recover: { ...known, kind: 'recover', code: '042917', path: `/recover/${secret}`, isLast: true },
  verify_email: { ...unknown, kind: 'verify_email', code: '042917', path: `/verify-email/${secret}` },
  verify_email_known: { ...unknown, kind: 'verify_email_known' },
  sign_up: { ...unknown, kind: 'sign_up', code: '042917', path: `/sign-up/${secret}` },
  sign_up_known: { ...unknown, kind: 'sign_up_known', path: '/recover' },
  invite: {
    ...unknown,
    kind: 'invite',
    path: `/invitation/${secret}`,
    expires_at: new Date('2026-05-10T12:03:00Z'),
  },
  email_changed: {
    ...known,
    kind: 'email_changed',
    path: `/undo-email/${secret}`,
    facts: { name: 'ada', address: 'l…@example.org' },
  },
  new_device: { ...known, kind: 'new_device', path: notMe, facts: { name: 'ada', client: 'Photo Printer' } },
  reuse_detected: { ...known, kind: 'reuse_detected', path: notMe },
  password_changed: { ...known, kind: 'password_changed', path: notMe },
  password_set_by_admin: {
    ...known,
    kind: 'password_set_by_admin',
    path: notMe,
    facts: { name: 'ada', reason: 'You called us and lost your phone.' },
  },
  recovery_link_created: { ...known, kind: 'recovery_link_created', path: notMe },
  recovered: { ...known, kind: 'recovered', path: notMe },
  user_deleted: { ...known, kind: 'user_deleted' },
  test: { ...unknown, kind: 'test' },
};
