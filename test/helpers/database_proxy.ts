// A way to the database that a test can cut: what a server sees when Postgres, its host or the network is gone.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface DatabaseProxy {
  /** The database's URL, by way of here. */
  url: string;
  /** Breaks every connection and takes no new one. */
  cut: () => void;
  /** Breaks every connection; the next ones come through. */
  shake: () => void;
  /** Takes connections and lets nothing through, in either direction: a host that is gone without a word. */
  freeze: () => void;
  /** Lets questions through and no answers: what is done meanwhile is done without anybody knowing. */
  mute: () => void;
  /** As in the beginning. */
  mend: () => void;
  close: () => Promise<void>;
}

/** Opens a way to the Postgres of `databaseUrl`. */
export async function openDatabaseProxy(databaseUrl: string): Promise<DatabaseProxy> {
  const target = new URL(databaseUrl);
  let state: 'open' | 'cut' | 'frozen' = 'open';
  const sockets = new Set<Socket>();
  const answering = new Map<Socket, Socket>();
  const hold = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).once('close', () => sockets.delete(socket));
    return socket;
  };
  const server = createServer((socket) => {
    if (state === 'cut') return socket.resetAndDestroy();
    hold(socket);
    if (state === 'frozen') return socket.pause();
    const beyond = hold(connect({ host: target.hostname, port: Number(target.port) }));
    socket.pipe(beyond).pipe(socket);
    answering.set(beyond, socket);
    socket.once('close', () => {
      answering.delete(beyond);
      beyond.destroy();
    });
    beyond.once('close', () => socket.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const shake = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    url: Object.assign(new URL(databaseUrl), { port: String((server.address() as AddressInfo).port) }).href,
    cut() {
      state = 'cut';
      shake();
    },
    shake,
    freeze() {
      state = 'frozen';
      for (const socket of sockets) socket.unpipe().pause();
    },
    mute() {
      for (const beyond of answering.keys()) beyond.unpipe();
    },
    mend() {
      state = 'open';
      shake();
    },
    async close() {
      server.close();
      shake();
      await once(server, 'close');
    },
  };
}
