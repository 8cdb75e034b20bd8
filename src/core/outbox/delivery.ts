// Delivers the messages of one kind until it is stopped: claims what is due, and hands each message on.
import type { Log } from '../../lib/log.ts';
import type { Db } from '../store/db.ts';
import { type ClaimedMessage, type ClaimLimit, claimMessages } from './claims.ts';
import type { MessageKind } from './outbox.ts';

/** How often due messages are looked for, milliseconds; they are also looked for whenever a delivery has finished. */
const interval = 1_000;

export interface Delivery {
  kind: MessageKind;
  /** The most deliveries at once, in all and to one receiver. */
  places: number;
  placesOfReceiver: number;
  /** Whether a receiver gets nothing more while a delivery to it is under way; else messages do not wait for one another. */
  isInOrder: boolean;
  /** Delivers one message, and settles or postpones it. It never rejects. */
  deliver: (message: ClaimedMessage) => Promise<void>;
  /** Runs before each look for due messages. */
  prepare?: () => Promise<void>;
}

/** Starts the deliveries; `stop` waits for those that are under way. */
export function startDelivery(db: Db, log: Log, delivery: Delivery): { stop: () => Promise<void> } {
  const underWay = createUnderWay();
  let looking = Promise.resolve();
  let isStopped = false;
  const round = async () => {
    if (isStopped || underWay.count() >= delivery.places) return;
    try {
      await delivery.prepare?.();
      for (const message of await claimMessages(db, limitOf(delivery, underWay)))
        underWay.add(message.receiver, delivery.deliver(message), look);
    } catch (err) {
      log.warn({ err, kind: delivery.kind }, 'the outbox could not be read');
    }
  };
  const look = () => {
    looking = looking.then(round);
  };
  const timer = setInterval(look, interval).unref();
  return {
    async stop() {
      isStopped = true;
      clearInterval(timer);
      await looking;
      await underWay.all();
    },
  };
}

function limitOf({ kind, places, placesOfReceiver, isInOrder }: Delivery, underWay: UnderWay): ClaimLimit {
  const all = places - underWay.count();
  return {
    ...{ kind, all },
    of_receiver: Math.min(placesOfReceiver, all),
    except: isInOrder ? underWay.receivers() : [],
  };
}

type UnderWay = ReturnType<typeof createUnderWay>;

// The deliveries under way, by their receivers.
function createUnderWay() {
  const deliveries = new Map<string, Set<Promise<void>>>();
  let count = 0;
  return {
    count: () => count,
    receivers: () => [...deliveries.keys()],
    all: async () => void (await Promise.all([...deliveries.values()].flatMap((busy) => [...busy]))),
    /** Calls `whenFree` once nothing is on its way to the receiver any more. */
    add(receiver: string, delivery: Promise<void>, whenFree: () => void) {
      const busy = deliveries.get(receiver) ?? new Set();
      deliveries.set(receiver, busy);
      count += 1;
      const delivered = delivery.finally(() => {
        count -= 1;
        busy.delete(delivered);
        if (busy.size > 0) return;
        deliveries.delete(receiver);
        whenFree();
      });
      busy.add(delivered);
    },
  };
}
