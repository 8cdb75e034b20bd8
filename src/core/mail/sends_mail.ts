// Whether this server can send mails at all, on which every way depends that only a mail completes.
import type { PeopleConfig } from '../../../config/people_config.ts';

/** The settings of mail that decide it. */
export interface MailSettings {
  mail: Pick<PeopleConfig['mail'], 'smtpUrl' | 'folder'>;
  recovery: PeopleConfig['recovery'];
}

/** False where a mail would wait for ever. Production refuses recovery by mail without a mail server, so recovery means that there is one. */
export function sendsMail({ mail, recovery }: MailSettings): boolean {
  return mail.smtpUrl !== null || mail.folder !== null || recovery;
}
