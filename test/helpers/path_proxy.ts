// A proxy with Kindred below a path, which it strips, and other content elsewhere. It forwards the well-known documents at the
// root of the host unchanged, as docs/operations.md shows for nginx and Caddy.
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface PathProxy {
  /** The value of `ISSUER` behind it: its own URL with the path. */
  issuer: string;
  /** Every requested path that is neither below the path nor well-known; the answer was 404. */
  strayed: string[];
  /** Every Set-Cookie header. */
  cookies: string[];
  /** Sets the URL at which Kindred listens. */
  passTo: (url: string) => void;
  close: () => Promise<void>;
}

/** Opens a proxy for `path`. */
export async function openPathProxy(path: string): Promise<PathProxy> {
  const strayed: string[] = [];
  const cookies: string[] = [];
  let target = '';
  const pass = (url: string, incoming: IncomingMessage, answer: ServerResponse) => {
    const outgoing = request(url, {
      method: incoming.method ?? 'GET',
      headers: incoming.headers,
      agent: false,
    });
    outgoing.once('error', () => answer.writeHead(502).end());
    outgoing.once('response', (response) => {
      cookies.push(...(response.headers['set-cookie'] ?? []));
      answer.writeHead(response.statusCode ?? 502, response.rawHeaders);
      response.pipe(answer);
    });
    incoming.pipe(outgoing);
  };
  const server = createServer((incoming, answer) => {
    const asked = incoming.url ?? '';
    const isWellKnown = asked.startsWith('/.well-known/') && asked.includes(path);
    if (asked.startsWith(`${path}/`)) pass(target + asked.slice(path.length), incoming, answer);
    else if (isWellKnown) pass(target + asked, incoming, answer);
    else {
      strayed.push(asked);
      answer.writeHead(404).end('something else lives here');
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    issuer: `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`,
    strayed,
    cookies,
    passTo(url) {
      target = url;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
