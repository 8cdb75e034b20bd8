// Sign-ups by the API, and the mails that they cause.
import type { ExecutionContext } from 'ava';
import type { MailBody } from '../../src/core/mail/mails.ts';
import { makeClient, password } from './builders.ts';
import { type Answer, type Json, send } from './client.ts';
import { login } from './oauth.ts';
import { enableMail, waitingMails } from './outbox_mails.ts';
import type { TestServer } from './server.ts';

let made = 0;

/** An address that no other test uses. */
export function newAddress(name = 'person'): string {
  made += 1;
  return `${name}-${made}@example.com`;
}

/** One request of sign-up; a password is given unless the request says otherwise. */
export async function requestSignUp(server: TestServer, json: Json): Promise<Answer> {
  return await send(`${server.url}/api/sign-up`, { json: { password, ...json } });
}

/** Completes a sign-up. */
export async function complete(server: TestServer, json: Json): Promise<Answer> {
  return await send(`${server.url}/api/sign-up/complete`, { json });
}

/** The mails to an address, the oldest first. */
export async function mailsTo(
  { db }: Pick<TestServer, 'db'>,
  address: string,
): Promise<(MailBody & { kind: string })[]> {
  enableMail(db);
  return (await waitingMails(db)).filter(({ to }) => to === address);
}

/** Asks for an account; returns the handle of the request and its mail. */
export async function askForAccount(
  t: ExecutionContext,
  server: TestServer,
  json: Json & { email: string },
): Promise<{ sign_up_id: string; mail: MailBody & { kind: string }; code: string }> {
  const answer = await requestSignUp(server, json);
  t.is(answer.status, 202, answer.text);
  const mail = (await mailsTo(server, json.email)).at(-1);
  if (!mail) throw new Error('no mail');
  return { sign_up_id: String(answer.body.sign_up_id), mail, code: mail.code ?? '' };
}

/** A six-digit code that is not this one. */
export function anotherCode(code: string): string {
  return code === '000000' ? '000001' : '000000';
}

/** A login by the API with this name. */
export async function logInAs(server: TestServer, username: string, typed = password): Promise<Answer> {
  const client = await makeClient(server.db);
  return await login(server, { username }, client, { password: typed });
}
