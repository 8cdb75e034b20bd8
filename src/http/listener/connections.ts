// The limits of connections: slow, silent and endless ones are closed, so that they cost other clients nothing.
import { createServer, type RequestListener, type Server } from 'node:http';

export interface ConnectionLimits {
  /** Milliseconds until all headers are in, from the opening or from the first byte of a further request. */
  headers: number;
  /** Milliseconds until the body is in, too. */
  request: number;
  /** Milliseconds for which a connection may wait for its next request. */
  idle: number;
  /** Milliseconds without a byte in either direction, such as when a client does not read its answer. */
  stalled: number;
  /** Milliseconds between checks of `headers` and `request`. */
  interval: number;
  /** Connections at once; a further one is closed when it opens. */
  connections: number;
}

/**
 * A phone in a tunnel sends its few hundred bytes within ten seconds, and the largest body that we accept (56 KiB) within
 * thirty; Node's defaults of 60 and 300 would let slow senders keep their connections that long. Idle connections outlive the
 * 60 s for which nginx, HAProxy and the load balancers of the large clouds keep theirs: a server that closes first loses the
 * request that is on its way. Ten thousand idle connections are harmless; new ones are refused before the process runs out of
 * file descriptors, which the database needs too.
 */
export const connectionLimits: ConnectionLimits = {
  headers: 10_000,
  request: 30_000,
  idle: 75_000,
  stalled: 120_000,
  interval: 2_000,
  connections: 16_000,
};

// Errors that a client causes on its own connection: it is too slow, has disconnected or does not speak HTTP.
const connectionErrors = new Set([
  'ERR_HTTP_REQUEST_TIMEOUT',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ECONNRESET',
  'EPIPE',
]);

/** Whether the client caused this error on its own connection. Any client can cause any number of these. */
export function isConnectionError(error: unknown): boolean {
  const { code = '' } = error as { code?: string };
  return connectionErrors.has(code) || code.startsWith('HPE_');
}

/** Bytes of all headers together: a few kilobytes of tokens, cookies and a certificate. More is answered with 431. */
const maxHeaderSize = 16_384;

/**
 * An HTTP server within limits. The number of requests per connection is not limited, because a proxy sends all of its requests
 * through a few. Nor is the number of headers: Node drops those beyond a count silently, and the size bounds them.
 */
export function createBoundedServer(listener: RequestListener, limits: ConnectionLimits): Server {
  const server = createServer(
    {
      headersTimeout: limits.headers,
      requestTimeout: limits.request,
      keepAliveTimeout: limits.idle,
      connectionsCheckingInterval: limits.interval,
      maxHeaderSize,
    },
    listener,
  );
  server.setTimeout(limits.stalled);
  server.maxConnections = limits.connections;
  return server;
}
