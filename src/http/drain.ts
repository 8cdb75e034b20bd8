// The end of a server that loses nothing: who is connected gets its answer, who is not goes elsewhere.
import type { Server as HttpServer } from 'node:http';
import { Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Middleware } from 'koa';

export interface Drain {
  isDraining: () => boolean;
  /** Accepts no more; who is connected notices nothing yet. */
  stopListening: () => void;
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
  let closed: Promise<boolean> | null = null;
  const close = () => {
    closed ??= stopListening(server);
    return closed;
  };
  return {
    isDraining: () => draining,
    stopListening: () => void close(),
    async run() {
      draining = true;
      lastSeen = performance.now();
      const deadline = performance.now() + whole;
      const closing = close();
      while (!(await Promise.race([closing, sleep(20, false)]))) {
        if (performance.now() > deadline) server.closeAllConnections();
        else if (inFlight === 0 && performance.now() - lastSeen > quiet) server.closeIdleConnections();
      }
    },
  };
}

// The close of an HTTP server would also drop idle connections, in the very moment in which a request may be on its
// way through one of them; the close of what it is built on only stops listening.
function stopListening(server: HttpServer): Promise<boolean> {
  return new Promise((resolve) => Server.prototype.close.call(server, () => resolve(true)));
}

/** While the server drains, every answer is the last one on its connection (RFC 9112, 9.6). */
export function closeWhenDraining(isDraining: () => boolean): Middleware {
  return async (ctx, next) => {
    await next();
    if (isDraining()) ctx.set('Connection', 'close');
  };
}
