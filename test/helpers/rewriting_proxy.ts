// A proxy to Postgres that replaces one statement by another of the same length, so that Postgres refuses it.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Opens the proxy; `from` and `to` have the same length. */
export async function openRewritingProxy(
  databaseUrl: string,
  from: string,
  to: string,
): Promise<{ url: string; close: () => Promise<void> }> {
  if (from.length !== to.length) throw new Error('a message has a length');
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const beyond = connect({ host: target.hostname, port: Number(target.port) });
    for (const one of [socket, beyond]) sockets.add(one.on('error', () => {}));
    socket.on('data', (piece) => beyond.write(piece.toString('latin1').replaceAll(from, to), 'latin1'));
    beyond.pipe(socket);
    socket.once('close', () => beyond.destroy());
    beyond.once('close', () => socket.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: Object.assign(new URL(databaseUrl), { port: String((server.address() as AddressInfo).port) }).href,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
