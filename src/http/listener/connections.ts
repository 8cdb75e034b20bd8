// What a connection may cost: slow, silent and endless ones are closed, so that they are nobody else's trouble.
import { createServer, type RequestListener, type Server } from 'node:http';

export interface ConnectionLimits {
  /** Milliseconds from the opening, or from the first byte of a further request, until all headers are in. */
  headers: number;
  /** Milliseconds until the body is in, too. */
  request: number;
  /** Milliseconds for which a connection may wait for its next request. */
  idle: number;
  /** Milliseconds without a byte in either direction, for who does not read the answer. */
  stalled: number;
  /** Milliseconds between looks at the first two. */
  interval: number;
  /** Connections at once; one more is closed when it comes. */
  connections: number;
}

/**
 * A phone in a tunnel sends its few hundred bytes within ten seconds, and the largest body that we take (56 KiB) within
 * thirty; Node's own 60 and 300 would let slow senders hold their places that long. Idle connections outlive the 60 s for
 * which nginx, HAProxy and the balancers of the large clouds keep theirs: a server that closes first loses the request that
 * is on its way. Ten thousand idle connections are no emergency; before file descriptors run out, which the database needs
 * too, new ones are refused.
 */
export const connectionLimits: ConnectionLimits = {
  headers: 10_000,
  request: 30_000,
  idle: 75_000,
  stalled: 120_000,
  interval: 2_000,
  connections: 16_000,
};

// What a client does to its own connection: too slow, gone, or not speaking HTTP.
const ofClients = new Set(['ERR_HTTP_REQUEST_TIMEOUT', 'ERR_STREAM_PREMATURE_CLOSE', 'ECONNRESET', 'EPIPE']);

/** Whether an error is the end of a connection by its client's doing; anybody can cause as many as they like. */
export function isClientsDoing(error: unknown): boolean {
  const { code = '' } = error as { code?: string };
  return ofClients.has(code) || code.startsWith('HPE_');
}

/** Bytes of all headers together: a few kilobytes of tokens, cookies and a certificate. More is answered with 431. */
const maxHeaderSize = 16_384;

/**
 * An HTTP server within limits. Requests on one connection are not counted: a proxy sends all of its own through a few. Nor
 * are headers: those beyond a count would be dropped without a word, and the size bounds them.
 */
export function createBoundedServer(answer: RequestListener, limits: ConnectionLimits): Server {
  const server = createServer(
    {
      headersTimeout: limits.headers,
      requestTimeout: limits.request,
      keepAliveTimeout: limits.idle,
      connectionsCheckingInterval: limits.interval,
      maxHeaderSize,
    },
    answer,
  );
  server.setTimeout(limits.stalled);
  server.maxConnections = limits.connections;
  return server;
}
