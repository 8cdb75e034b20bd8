// How a peer listens: on a free port that it tells its parent, until the parent lets go of it.
import type { RequestListener } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Listens first, because what answers may need to know the URL; `close` ends what the peer opened. */
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
