// The end of a server that loses nothing: who is connected gets its answer, who is not goes elsewhere.
import type { Server as HttpServer } from 'node:http';
import { Server } from 'node:net';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import type { Middleware } from 'koa';

export interface Drain {
  isDraining: () => boolean;
  /** Accepts no more, once it returns; who is connected notices nothing yet. */
  stopListening: () => Promise<void>;
  /** Stops accepting, and returns once every connection is closed. */
  run: () => Promise<void>;
}

export interface Patience {
  /** Milliseconds for requests in flight; what takes longer is cut off. */
  whole: number;
  /** Milliseconds without any request after which idle connections are closed. */
  quiet: number;
}

/** Watches a server, so that it can be drained. */
export function createDrain(server: HttpServer, { whole, quiet }: Patience): Drain {
  let draining = false;
  let inFlight = 0;
  let lastSeen = 0;
  server.on('request', (_request, response) => {
    inFlight += 1;
    lastSeen = performance.now();
    response.once('close', () => {
      inFlight -= 1;
      lastSeen = performance.now();
    });
  });
  const isQuiet = () => inFlight === 0 && performance.now() - lastSeen > quiet;
  // On a busy machine this process may have been kept waiting itself, while requests came in that it has yet to read.
  const isStillQuiet = async () => {
    await nextRound();
    return isQuiet();
  };
  let stopping: Promise<void> | null = null;
  let closed: Promise<boolean>;
  const stopListening = () => {
    stopping ??= acceptWaiting(server).then(() => {
      closed = close(server);
    });
    return stopping;
  };
  return {
    isDraining: () => draining,
    stopListening,
    async run() {
      const deadline = performance.now() + whole;
      // In this order: who is sent away must not be able to come back to us.
      await stopListening();
      draining = true;
      lastSeen = performance.now();
      const closing = closed;
      while (!(await Promise.race([closing, sleep(20, false)]))) {
        if (performance.now() > deadline) server.closeAllConnections();
        else if (isQuiet() && (await isStillQuiet())) server.closeIdleConnections();
      }
    },
  };
}

// Connections that wait to be accepted: Node's default, which the system may lower. They are served in the order in which
// they came, so after this many every connection has been accepted that was there at the beginning, however long each
// takes on a busy machine, and newcomers cannot keep us here.
const longestQueue = 512;

// Connections that the system has taken but not yet handed over would be reset by the close, with their requests unread.
// Node accepts one in each round of its event loop, so after a round without any there are none.
async function acceptWaiting(server: HttpServer): Promise<void> {
  let accepted = 0;
  const note = () => {
    accepted += 1;
  };
  // One beyond the limit of connections is dropped, and others may wait behind it.
  server.on('connection', note).on('drop', note);
  for (let before = -1; accepted > before && accepted < longestQueue; ) {
    before = accepted;
    await nextRound();
  }
  server.off('connection', note).off('drop', note);
}

// Not before the event loop has looked once at all that has come in: the first may come in the round in which we began,
// after it had looked.
async function nextRound(): Promise<void> {
  await setImmediate();
  await setImmediate();
}

// The close of an HTTP server would also drop idle connections, in the very moment in which a request may be on its
// way through one of them; the close of what it is built on only stops listening.
function close(server: HttpServer): Promise<boolean> {
  return new Promise((resolve) => Server.prototype.close.call(server, () => resolve(true)));
}

/** While the server drains, every answer is the last one on its connection (RFC 9112, 9.6). */
export function closeWhenDraining(isDraining: () => boolean): Middleware {
  return async (ctx, next) => {
    await next();
    if (isDraining()) ctx.set('Connection', 'close');
  };
}
