// Delivers the mails of the outbox: any node takes one that is due, renders it and sends it.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Deps } from '../core/deps.ts';
import { type MailKind, readMail } from '../core/mail/mails.ts';
import {
  type ClaimedMessage,
  claim,
  dropExpired,
  postponeMessage,
  settleMessage,
} from '../core/outbox/claims.ts';
import { startDelivery } from '../core/outbox/delivery.ts';
import { envelopeAddress } from '../core/users/names.ts';
import { cutText } from '../lib/cut_text.ts';
import { renderMail } from '../pages/mail/mail.ts';
import { MailError, openTransport, type Transport } from './transport.ts';

/** The most mails that one node sends at once. */
const places = 20;

/** Milliseconds after which a mail is given up for now: well within its claim, so that no other node sends it meanwhile. */
const longestSend = 40_000;

/** Milliseconds that a stop leaves to the mails under way; a process that stops has 15 seconds. */
const longestStop = 8_000;

/** The longest reason that is kept, characters. */
const longestReason = 200;

/** Delivers mails until it is stopped. Where no transport is configured, mails wait until they expire or one is. */
export function deliverMails(deps: Deps): { stop: () => Promise<void> } {
  const transport = openTransport(deps.config);
  if (!transport) return { stop: async () => {} };
  const stopping = new AbortController();
  const delivery = startDelivery(deps.db, deps.log, {
    kind: 'mail',
    places,
    placesOfReceiver: places,
    isInOrder: false,
    deliver: async (message) => await deliver(deps, transport, message, stopping.signal),
    prepare: async () => await drop(deps),
  });
  return {
    async stop() {
      const timer = setTimeout(() => stopping.abort(), longestStop);
      await delivery.stop();
      clearTimeout(timer);
    },
  };
}

async function drop({ db, log, metrics }: Deps): Promise<void> {
  for (const { id, subject } of await dropExpired(db)) {
    metrics.countMail('expired');
    log.warn({ message: id, mail: subject }, 'a mail expired before it was sent');
  }
}

async function deliver(
  deps: Deps,
  transport: Transport,
  message: ClaimedMessage,
  stopping: AbortSignal,
): Promise<void> {
  const { db, log, metrics } = deps;
  const { id, subject: mail, attempts } = message;
  try {
    await send(deps, transport, message, stopping);
  } catch (err) {
    const error = cutText(err instanceof Error ? err.message : 'unknown', longestReason);
    const isFinal = err instanceof MailError && err.isFinal;
    const isDead = await postponeMessage(db, message, { error, isFinal }).catch(() => false);
    metrics.countMail(isDead ? 'dead' : 'later');
    log.warn({ message: id, mail, attempts, isDead, reason: error }, 'a mail was not sent');
    return;
  }
  metrics.countMail('sent');
  await settle(deps, message);
}

async function send(
  { db, config, log }: Deps,
  transport: Transport,
  message: ClaimedMessage,
  stopping: AbortSignal,
): Promise<void> {
  const { id, subject: kind, created_at } = message;
  if (wasInterruptedTwice(message)) throw new MailError('interrupted twice', true);
  const { to, at, expires_at, ...mail } = readMail(db, message);
  const address = envelopeAddress(to);
  if (address === null) throw new MailError('not a plain address', true);
  const rendered = renderMail(
    { ...config.brand, basePath: config.issuerPath },
    {
      ...mail,
      ...{ to, kind: kind as MailKind, at: new Date(at), origin: config.issuer },
      expires_at: expires_at ? new Date(expires_at) : null,
    },
  );
  const signal = AbortSignal.any([stopping, AbortSignal.timeout(longestSend)]);
  const file = await transport.send({ ...rendered, id, to: address, at: created_at }, signal);
  // Only in development: the log of a deployment names no link.
  if (file !== null) log.info({ file, link: rendered.link }, `mail to ${to}: ${rendered.subject}`);
}

// An attempt that ended has left an error. Without one, its node crashed, perhaps after the mail server took the mail: after two
// such attempts the mail may have been sent twice, and is not sent again.
function wasInterruptedTwice({ attempts, last_error }: ClaimedMessage): boolean {
  return attempts > 2 && last_error === null;
}

// The mail is out. While the database does not answer, this is tried again until another node may claim the message.
async function settle({ db, log }: Deps, { id, subject: mail }: ClaimedMessage): Promise<void> {
  const end = performance.now() + claim * 1000 - longestSend;
  for (;;) {
    try {
      return await settleMessage(db, id);
    } catch (err) {
      if (performance.now() > end) {
        log.error({ err, message: id, mail }, 'a mail was sent and may be sent once more');
        return;
      }
      await sleep(1_000);
    }
  }
}
