// How a peer listens: on a free port, which it reports to its parent, until the parent disconnects.
import type { RequestListener } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Listens before the listener is made, because the listener may need the URL; `close` closes what the peer opened. */
export function listen(make: (url: string) => RequestListener, close: () => Promise<void>): void {
  const server = createServer();
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo;
    server.on('request', make(`http://127.0.0.1:${port}`));
    process.send?.({ port });
  });
  process.once('disconnect', async () => {
    server.closeAllConnections();
    await close();
    process.exit();
  });
}
