// One address for several nodes, as a load balancer gives them, except that the test says who is next.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';

export interface LoadBalancer {
  url: string;
  /** From here on everything goes to the server at `url`; connections to another are cut. */
  to: (server: { url: string }) => Promise<void>;
  close: () => Promise<void>;
}

/** Opens a switch; until it is told where to, it refuses. */
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
  // Whoever keeps connections alive needs a moment to see that they are gone.
  const cut = async () => {
    for (const socket of sockets) socket.destroy();
    await sleep(50);
    // A busy machine may end that sleep before it looks at the connections.
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
