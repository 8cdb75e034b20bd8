// One address for several nodes, as behind a load balancer; the test chooses the node.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';

export interface LoadBalancer {
  url: string;
  /** Sends everything to the server at `url` from now on; cuts connections to another. */
  to: (server: { url: string }) => Promise<void>;
  close: () => Promise<void>;
}

/** Opens a load balancer; it refuses connections until it has a target. */
export async function openLoadBalancer(): Promise<LoadBalancer> {
  const sockets = new Set<Socket>();
  let port: number | null = null;
  const listener = createServer((socket) => {
    if (port === null) return void socket.destroy();
    const upstream = connect(port, '127.0.0.1');
    for (const [one, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      sockets.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  // Clients with kept-alive connections need a moment to notice that they are closed.
  const cut = async () => {
    for (const socket of sockets) socket.destroy();
    await sleep(50);
    // On a busy machine the sleep may end before the client has looked at its connections.
    for (let round = 0; round < 5; round += 1) await setImmediate();
  };
  return {
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    async to({ url }) {
      const next = Number(new URL(url).port);
      if (next === port) return;
      port = next;
      await cut();
    },
    async close() {
      await cut();
      listener.close();
      await once(listener, 'close');
    },
  };
}
