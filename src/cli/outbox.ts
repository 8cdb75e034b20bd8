// `outbox` and `send-test-mail`: what waits to be delivered, and whether mail works.
import { loadConfig } from '../../config/index.ts';
import { dropOutboxMessage, retryOutboxMessage } from '../core/actions/change_messages.ts';
import { listMessages, type Message } from '../core/outbox/messages.ts';
import type { MessageKind, MessageState } from '../core/outbox/outbox.ts';
import { envelopeAddress } from '../core/users/names.ts';
import { newId } from '../lib/ids.ts';
import { openTransport } from '../mail/transport.ts';
import { renderMail } from '../pages/mail/mail.ts';
import { byCommand, withDatabase } from './database.ts';
import { type Answer, CommandError, formatTable } from './output.ts';

/** How many messages one call lists. */
const listed = 200;

export interface OutboxFilter {
  kind?: MessageKind;
  state?: MessageState;
  before?: string;
}

/** `outbox [list|retry|drop] [id]` */
export async function outbox(action: string, id: string | undefined, filter: OutboxFilter): Promise<Answer> {
  if (action === 'list' && id === undefined) return await list(filter);
  if (action === 'list') throw new CommandError('outbox list takes no id; filter by --kind and --state');
  if (id === undefined)
    throw new CommandError(`which message? kindred outbox ${action} <id>; kindred outbox lists them`);
  return action === 'retry' ? await retry(requireId(id)) : await drop(requireId(id));
}

// The newest messages, without their bodies.
async function list(filter: OutboxFilter): Promise<Answer> {
  return await withDatabase(async (db) => {
    const before = filter.before === undefined ? undefined : requireId(filter.before);
    const { messages, next } = await listMessages(db, { ...filter, before, limit: listed });
    const more = next === null ? '' : `\nThere are more: kindred outbox --before ${next}`;
    return { data: { messages, next }, text: describe(messages) + more };
  });
}

function describe(messages: Message[]): string {
  if (messages.length === 0) return 'no message waits, and none was given up';
  return formatTable(
    ['ID', 'KIND', 'ABOUT', 'STATE', 'ATTEMPTS', 'NEXT ATTEMPT (UTC)', 'LAST ERROR'],
    messages.map((one) => [
      one.id,
      one.kind,
      one.kind === 'mail' ? one.subject : one.receiver,
      one.state,
      String(one.attempts),
      one.state === 'dead' ? '-' : one.next_attempt_at.toISOString().slice(0, 19).replace('T', ' '),
      one.last_error ?? '-',
    ]),
  );
}

async function retry(id: string): Promise<Answer> {
  return await withDatabase(async (db) => {
    const data = await retryOutboxMessage(db, byCommand, id);
    return { data, text: `message ${data.id} is due; a server delivers it` };
  });
}

async function drop(id: string): Promise<Answer> {
  return await withDatabase(async (db) => {
    await dropOutboxMessage(db, byCommand, id);
    return { data: { id }, text: `message ${id} is dropped` };
  });
}

// Postgres refuses another text with an error.
function requireId(id: string): string {
  if (!/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(id))
    throw new CommandError(`${id}: is no id of a message; kindred outbox lists them`);
  return id.toLowerCase();
}

/** Milliseconds that the mail server may take. */
const patience = 40_000;

/** `send-test-mail <address>`: sends at once, past the outbox, and says what the mail server answered. It needs no database. */
export async function sendTestMail(address: string): Promise<Answer> {
  const config = loadConfig();
  const to = envelopeAddress(address);
  if (to === null) throw new CommandError(`${address}: must be an address like ada@example.com`);
  const transport = openTransport(config);
  if (!transport)
    throw new CommandError('mail is not configured: set SMTP_URL and MAIL_FROM (README, "Configuration")');
  const at = new Date();
  const mail = renderMail(
    { ...config.brand, basePath: config.issuerPath },
    { kind: 'test', to, isProved: false, at, origin: config.issuer },
  );
  const id = newId();
  const file = await transport.send({ ...mail, id, to, at }, AbortSignal.timeout(patience)).catch((error) => {
    throw new CommandError(`the mail was not sent: ${describeFailure(error)}`, { cause: error });
  });
  const text =
    file === null
      ? `the mail server took a mail to ${to}`
      : `there is no mail server; the mail is in ${file}`;
  return { data: { to, message_id: id, file }, text };
}

// Only here the whole answer of the server is shown: the mail has no code and no link.
function describeFailure(error: Error): string {
  const { cause } = error;
  const detail = cause instanceof Error ? cause.message : '';
  return detail === '' || detail === error.message ? error.message : `${error.message} (${detail})`;
}
