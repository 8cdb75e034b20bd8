// Draining a server so that no request is lost: requests in flight are answered, and new connections go to another server.
import type { Server as HttpServer } from 'node:http';
import { Server } from 'node:net';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import type { Middleware } from 'koa';

export interface Drain {
  isDraining: () => boolean;
  /** Accepts no new connection once it returns; open connections are served as before. */
  stopListening: () => Promise<void>;
  /** Stops accepting, and returns once every connection is closed. */
  close: () => Promise<void>;
}

export interface DrainTimeouts {
  /** Milliseconds for requests in flight; then their connections are cut off. */
  deadline: number;
  /** Milliseconds without any request after which idle connections are closed. */
  quiet: number;
}

/** Watches the requests of a server, so that it can be drained. */
export function createDrain(server: HttpServer, timeouts: DrainTimeouts): Drain {
  let draining = false;
  let inFlight = 0;
  let lastActivity = 0;
  server.on('request', (_request, response) => {
    inFlight += 1;
    lastActivity = performance.now();
    response.once('close', () => {
      inFlight -= 1;
      lastActivity = performance.now();
    });
  });
  const isQuiet = () => inFlight === 0 && performance.now() - lastActivity > timeouts.quiet;
  // On a busy machine this process may itself have been suspended while requests came in that it has yet to read.
  const isStillQuiet = async () => {
    await completeLoopIteration();
    return isQuiet();
  };
  let stopping: Promise<void> | null = null;
  let closed: Promise<boolean>;
  const stopListening = () => {
    stopping ??= acceptPending(server).then(() => {
      closed = stopAccepting(server);
    });
    return stopping;
  };
  return {
    isDraining: () => draining,
    stopListening,
    async close() {
      const deadline = performance.now() + timeouts.deadline;
      // In this order: a client that is told to reconnect must not reach this server again.
      await stopListening();
      draining = true;
      lastActivity = performance.now();
      const closing = closed;
      while (!(await Promise.race([closing, sleep(20, false)]))) {
        if (performance.now() > deadline) server.closeAllConnections();
        else if (isQuiet() && (await isStillQuiet())) server.closeIdleConnections();
      }
    },
  };
}

// Node's default for the queue of connections that wait to be accepted; the system may lower it. The queue is served in order, so
// after this many every connection has been accepted that waited at the beginning, however slow the machine is, and new ones
// cannot prolong the wait.
const backlog = 512;

// Connections that the system has completed but Node has not accepted would be reset by the close, with their requests unread.
// Node accepts one in each iteration of its event loop; after an iteration without any, none is waiting.
async function acceptPending(server: HttpServer): Promise<void> {
  let accepted = 0;
  const count = () => {
    accepted += 1;
  };
  // A connection beyond the limit is dropped, and others may wait behind it.
  server.on('connection', count).on('drop', count);
  for (let before = -1; accepted > before && accepted < backlog; ) {
    before = accepted;
    await completeLoopIteration();
  }
  server.off('connection', count).off('drop', count);
}

// Returns when the event loop has polled for input at least once since the call. The first callback may run in the iteration in
// which the call was made, after its poll; the second one runs after the next poll.
async function completeLoopIteration(): Promise<void> {
  await setImmediate();
  await setImmediate();
}

// `close` of an HTTP server would also destroy idle connections, on which a request may be arriving at this moment. `close` of
// the net.Server below it only stops listening.
function stopAccepting(server: HttpServer): Promise<boolean> {
  return new Promise((resolve) => Server.prototype.close.call(server, () => resolve(true)));
}

/** While the server drains, each answer is the last one on its connection (RFC 9112, section 9.6). */
export function closeWhenDraining(isDraining: () => boolean): Middleware {
  return async (ctx, next) => {
    await next();
    if (isDraining()) ctx.set('Connection', 'close');
  };
}
