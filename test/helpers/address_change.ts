// A user with a proved address, who changes it by the API, and what the mails open.
import { makeUser, type NamedUser, password } from './builders.ts';
import type { Answer } from './client.ts';
import type { MailServer, ReceivedMail } from './mail_server.ts';
import { api, type SignedIn, signIn } from './oauth.ts';
import type { TestServer } from './server.ts';
import { until } from './until.ts';
import { openUserAgent, type Page, type UserAgent } from './user_agent.ts';

let made = 0;

/** An address that no other test has. */
export function newAddress(name: string): string {
  made += 1;
  return `${name}-${process.pid}-${made}@x.example`;
}

/** A user who has proved an address, signed in. */
export async function signInProved(server: TestServer, email: string): Promise<SignedIn> {
  const user = await makeUser(server.db, { email, email_verified: true });
  return await signIn(server, { user });
}

/** POST /api/me/email. */
export async function askFor(
  server: TestServer,
  { tokens }: SignedIn,
  email: string,
  given: object = {},
): Promise<Answer> {
  const json = { email, current_password: password, ...given };
  return await api(server, 'POST /me/email', tokens.access_token, { json });
}

/** POST /api/me/email/verify. */
export async function enterCode(
  server: TestServer,
  { tokens }: SignedIn,
  code: string | null,
): Promise<Answer> {
  return await api(server, 'POST /me/email/verify', tokens.access_token, { json: { code: code ?? '' } });
}

/** A mail to an address whose text has `part`, such as a path of its link; the newest one where there are several. */
export async function mailTo(mail: MailServer, address: string, part = ''): Promise<ReceivedMail> {
  const find = () => mail.mails.findLast(({ to, text }) => to.includes(address) && text.includes(part));
  await until(async () => find() !== undefined, `a mail to ${address} with ${part}`);
  const found = find();
  if (!found) throw new Error(`no mail to ${address}`);
  return found;
}

/** The link of such a mail. */
export async function linkTo(mail: MailServer, address: string, part: string): Promise<string> {
  return linkOf(await mailTo(mail, address, part));
}

/** Changes the address and proves the new one by the code. */
export async function changeAddress(
  server: TestServer,
  mail: MailServer,
  who: SignedIn,
  email: string,
): Promise<void> {
  await askFor(server, who, email);
  const { code } = await mailTo(mail, email, '/verify-email/');
  const answer = await enterCode(server, who, code);
  if (answer.status !== 204) throw new Error(`not verified: ${answer.text}`);
}

/** The one link of a mail, at the address under which the server listens. */
export function linkOf({ links }: Pick<ReceivedMail, 'links'>): string {
  const [link] = links;
  if (!link) throw new Error('the mail has no link');
  return link;
}

/** Opens a link in a fresh browser and sends its form with these fields. */
export async function confirmLink(
  server: TestServer,
  link: string,
  fields: Record<string, string>,
  ua: UserAgent = openUserAgent(server.url),
): Promise<Page> {
  const page = await ua.open(link);
  return await ua.submit(page, new URL(link).pathname, fields);
}

/** The address columns of a user. */
export async function addressOf({ db }: TestServer, { id }: Pick<NamedUser, 'id'>) {
  const row = await db('users').where({ id }).first('email', 'email_verified_at', 'password_use');
  return { email: row?.email, isProved: row?.email_verified_at !== null, password_use: row?.password_use };
}
