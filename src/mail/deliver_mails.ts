// Delivers the mails of the outbox: any node takes one that is due, renders it and sends it.
import type { Deps } from '../core/deps.ts';
import { type MailKind, readMail } from '../core/mail/mails.ts';
import { type ClaimedMessage, dropExpired, postponeMessage, settleMessage } from '../core/outbox/claims.ts';
import { startDelivery } from '../core/outbox/delivery.ts';
import { cutText } from '../lib/cut_text.ts';
import { renderMail } from '../pages/mail/mail.ts';
import { MailError, openTransport, type Transport } from './transport.ts';

/** The most mails that one node sends at once. */
const places = 20;

/** The longest reason that is kept, characters. */
const longestReason = 200;

/** Delivers mails until it is stopped. Where no transport is configured, mails wait until they expire or one is. */
export function deliverMails(deps: Deps): { stop: () => Promise<void> } {
  const transport = openTransport(deps.config);
  if (!transport) return { stop: async () => {} };
  const delivery = startDelivery(deps.db, deps.log, {
    kind: 'mail',
    places,
    placesOfReceiver: places,
    isInOrder: false,
    deliver: async (message) => await deliver(deps, transport, message),
    prepare: async () => await drop(deps),
  });
  return {
    async stop() {
      await delivery.stop();
      transport.close();
    },
  };
}

async function drop({ db, log }: Deps): Promise<void> {
  const expired = await dropExpired(db);
  for (const { id, subject } of expired)
    log.warn({ message: id, mail: subject }, 'a mail expired before it was sent');
}

async function deliver(
  { db, config, log }: Deps,
  transport: Transport,
  message: ClaimedMessage,
): Promise<void> {
  const { id, subject: kind, attempts, created_at } = message;
  try {
    const { to, at, ...mail } = readMail(db, message);
    const rendered = renderMail(
      { ...config.brand, basePath: config.issuerPath },
      { ...mail, to, kind: kind as MailKind, at: new Date(at), origin: config.issuer },
    );
    const file = await transport.send({ ...rendered, id, to, at: created_at });
    // Only in development: the log of a deployment names no link.
    if (file !== null) log.info({ file, link: rendered.link }, `mail to ${to}: ${rendered.subject}`);
    await settleMessage(db, id);
  } catch (err) {
    const error = cutText(err instanceof Error ? err.message : 'unknown', longestReason);
    const isFinal = err instanceof MailError && err.isFinal;
    const isDead = await postponeMessage(db, message, { error, isFinal }).catch(() => false);
    log.warn({ message: id, mail: kind, attempts, isDead, reason: error }, 'a mail was not sent');
  }
}
