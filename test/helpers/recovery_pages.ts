// Recovery in a browser without a screen, and its mails, on a server that sends none.
import type { Knex } from 'knex';
import { setOutboxKeyring } from '../../src/core/outbox/outbox.ts';
import { keyring } from './builders.ts';
import { type MailedCode, mailedTo } from './recovery.ts';
import type { TestServer } from './server.ts';
import type { Page, UserAgent } from './user_agent.ts';

/** The code and link of the newest mail to an address. */
export async function newestMail(db: Knex, address: string): Promise<MailedCode> {
  setOutboxKeyring(db, keyring);
  const mail = (await mailedTo(db, address)).at(-1);
  if (!mail) throw new Error(`no mail to ${address}`);
  return mail;
}

const linkOf = ({ text }: Page, label: string): string =>
  new RegExp(`<a [^>]*href="([^"]*)"[^>]*>${label}`).exec(text)?.[1]?.replaceAll('&amp;', '&') ?? '';

/** From a login page to the page "Check your mail", by the link that is there. */
export async function askFrom(server: TestServer, ua: UserAgent, login: Page, name: string): Promise<Page> {
  const start = await ua.open(new URL(linkOf(login, 'Forgot password'), server.url).href);
  return await ua.submit(start, '/recover', { login: name });
}
