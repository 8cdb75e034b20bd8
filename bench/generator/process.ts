// The generator's process: holds the loads that its parent opened and drives them on request. It is a process of its own so
// that it can be pinned and its CPU time be measured.
import { type Chain, drive, type Limit } from './drive.ts';
import { type Load, makeChains } from './loads.ts';
import type { ReceivedTokens } from './received_tokens.ts';

export type Order =
  | { order: 'open'; name: string; load: Load; pid: number; source?: string }
  | { order: 'drive'; name: string; limit: Limit }
  | { order: 'newest' | 'close'; name: string };

interface OpenLoad extends ReceivedTokens {
  chains: Chain[];
  port: number;
  pid: number;
}

const loads = new Map<string, OpenLoad>();

function find(name: string): OpenLoad {
  const load = loads.get(name);
  if (!load) throw new Error(`there is no load ${name}`);
  return load;
}

async function execute(order: Order): Promise<unknown> {
  switch (order.order) {
    case 'open': {
      const kept = order.source === undefined ? [] : find(order.source).kept;
      const received: ReceivedTokens = { newest: new Map(), kept };
      const port = Number(new URL(order.load.url).port);
      loads.set(order.name, { ...received, chains: makeChains(order.load, received), port, pid: order.pid });
      return null;
    }
    case 'drive': {
      const { chains, port, pid } = find(order.name);
      return await drive(chains, port, pid, order.limit);
    }
    case 'newest':
      return [...find(order.name).newest.values()];
    case 'close':
      return loads.delete(order.name);
  }
}

process.on('message', async ({ id, ...order }: Order & { id: number }) => {
  try {
    process.send?.({ id, result: await execute(order as Order) });
  } catch (error) {
    process.send?.({ id, error: (error as Error).message });
  }
});
process.once('disconnect', () => process.exit());
process.send?.({ port: 0 });
