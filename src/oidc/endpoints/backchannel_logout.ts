// Back-channel logout (OpenID Connect Back-Channel Logout 1.0): notifies clients of sessions that ended for any reason, one
// logout token per session, with our `sid`.
import type { Client, Provider } from 'oidc-provider';
import type { Deps } from '../../core/deps.ts';
import { type ClaimedMessage, postponeMessage, settleMessage } from '../../core/outbox/claims.ts';
import { startDelivery } from '../../core/outbox/delivery.ts';
import { adoptLogoutNotices } from '../../core/sessions/backchannel_queue.ts';
import { cutText } from '../../lib/cut_text.ts';
import { readAtMost } from '../request/guarded_fetch.ts';

/** The most deliveries at once, in all and to one client: an endpoint that does not answer delays only its own tokens. */
const places = 100;
const placesOfClient = 4;

const send = Symbol('the engine’s own delivery');

/** A client with the engine's delivery, which {@link takeOverDelivery} keeps for us. */
interface Notifiable extends Client {
  [send]: (sub: string, sid: string) => Promise<void>;
}

/**
 * Delivers logout tokens until it is stopped. The engine's own delivery, from its logout page, would send its own session ids and
 * try once. It is switched off; every ending of a session writes to the outbox, which is delivered here.
 */
export function deliverBackchannelLogouts(
  deps: Deps,
  provider: () => Provider,
): { stop: () => Promise<void> } {
  return startDelivery(deps.db, deps.log, {
    kind: 'logout_token',
    places,
    placesOfReceiver: placesOfClient,
    isInOrder: true,
    deliver: async (message) => await deliver(deps, provider(), message),
    prepare: async () => await adoptLogoutNotices(deps.db),
  });
}

async function deliver({ db, log }: Deps, provider: Provider, message: ClaimedMessage): Promise<void> {
  const { receiver: client_id, session_id } = message;
  try {
    const client = await provider.Client.find(client_id);
    if (client?.backchannelLogoutUri) await sendToken(client as Notifiable, message);
    await settleMessage(db, message.id);
  } catch (err) {
    const error = cutText(String((err as Error).message), limits.text);
    const isGivenUp = await postponeMessage(db, message, { error }).catch(() => false);
    const answer = await refusalOf(err);
    log.warn({ err, client_id, session_id, isGivenUp, ...answer }, 'a logout notice was not taken');
  }
}

const reasons = new Set(['error', 'error_description']);

/** The longest answer of a client that is read for its reason, bytes, and the longest part of it that is logged, characters. */
const limits = { answer: 4_096, text: 300 };

// The client's own reason (Back-Channel Logout 1.0, 2.8), without control characters. Nothing else of its answer is logged. The
// time limit of the request holds for its answer too.
async function refusalOf(error: unknown): Promise<{ answer?: object }> {
  const { response } = error as { response?: Response };
  if (!response) return {};
  try {
    const body: unknown = JSON.parse(await readAtMost(response, limits.answer));
    const members = Object.entries(body ?? {}).filter(
      (member): member is [string, string] => reasons.has(member[0]) && typeof member[1] === 'string',
    );
    return {
      answer: Object.fromEntries(
        members.map(([name, text]) => [name, cutText(text.replace(/\p{C}+/gu, ' '), limits.text)]),
      ),
    };
  } catch {
    return {};
  } finally {
    // What was not read would keep the connection open.
    await response.body?.cancel().catch(() => {});
  }
}

// Always with the `sid`: without it, a client would have to log its user out everywhere.
async function sendToken(client: Notifiable, { user_id, session_id }: ClaimedMessage): Promise<void> {
  if (user_id === null || session_id === null) throw new Error('a logout token is about a session');
  const asking: Notifiable = Object.create(client, { backchannelLogoutSessionRequired: { value: true } });
  await client[send].call(asking, user_id, session_id);
}

/** Keeps the engine's delivery for us, and switches it off in the engine. */
export function takeOverDelivery(prototype: Client): void {
  Object.defineProperty(prototype, send, { value: prototype.backchannelLogout });
  prototype.backchannelLogout = async () => {};
}
