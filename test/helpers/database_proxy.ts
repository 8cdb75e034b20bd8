// A proxy to the database that a test can cut, to simulate the loss of Postgres, its host or the network.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface DatabaseProxy {
  /** The database's URL through this proxy. */
  url: string;
  /** Breaks every connection and refuses new ones. */
  cut: () => void;
  /** Breaks every connection; new ones work. */
  shake: () => void;
  /** Accepts connections and forwards nothing in either direction, like a host that vanished. */
  freeze: () => void;
  /** Forwards requests but no answers, so that the outcome of each statement is unknown. */
  mute: () => void;
  /** Forwards everything again. */
  mend: () => void;
  close: () => Promise<void>;
}

/** Opens a proxy to the Postgres of `databaseUrl`. */
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
