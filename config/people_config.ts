// Mail, recovery and sign-up as the rest of the server reads them.
import { join } from 'node:path';
import { dataDirectory } from './local_secret.ts';
import type { NoticeKind } from './people_settings.ts';
import type { Settings } from './schema.ts';

export interface PeopleConfig {
  mail: {
    /** Null writes mails to files, in development, or sends none. */
    smtpUrl: string | null;
    from: string | null;
    replyTo: string | null;
    /** The folder of mails that are not sent; null where there is none. */
    folder: string | null;
    notices: readonly NoticeKind[];
  };
  /** Whether users who forgot their password get a code by mail. */
  recovery: boolean;
  signUp: Settings['SIGN_UP'];
  /** In lower case; null for any. */
  signUpDomains: string[] | null;
}

/** The configuration of mail, recovery and sign-up. */
export function peopleConfigOf(values: Settings): PeopleConfig {
  return {
    mail: mailOf(values),
    recovery: hasRecovery(values),
    signUp: values.SIGN_UP,
    signUpDomains: values.SIGN_UP_DOMAINS ?? null,
  };
}

function mailOf({
  NODE_ENV,
  DATABASE_URL,
  SMTP_URL,
  MAIL_FROM,
  MAIL_REPLY_TO,
  NOTICES,
}: Settings): PeopleConfig['mail'] {
  return {
    smtpUrl: SMTP_URL ?? null,
    from: MAIL_FROM ?? null,
    replyTo: MAIL_REPLY_TO ?? null,
    folder: SMTP_URL || NODE_ENV !== 'development' ? null : join(dataDirectory(DATABASE_URL), 'mail'),
    notices: NOTICES,
  };
}

// In development mails are files, so recovery can be tried without a mail server.
function hasRecovery({ NODE_ENV, RECOVERY, SMTP_URL }: Settings): boolean {
  return RECOVERY === undefined ? SMTP_URL !== undefined || NODE_ENV === 'development' : RECOVERY === 'mail';
}
