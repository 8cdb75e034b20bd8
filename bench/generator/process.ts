// The generator's process: holds the loads that its parent opened and drives them when told to. A process of its own, so
// that it can be pinned and so that what it uses is its own.
import { type Chain, drive, type Limit } from './drive.ts';
import { type Load, makeChains, type Traces } from './loads.ts';

export type Order =
  | { order: 'open'; name: string; load: Load; pid: number; source?: string }
  | { order: 'drive'; name: string; limit: Limit }
  | { order: 'newest' | 'close'; name: string };

interface OpenLoad extends Traces {
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

async function obey(order: Order): Promise<unknown> {
  switch (order.order) {
    case 'open': {
      const kept = order.source === undefined ? [] : find(order.source).kept;
      const traces: Traces = { newest: new Map(), kept };
      const port = Number(new URL(order.load.url).port);
      loads.set(order.name, { ...traces, chains: makeChains(order.load, traces), port, pid: order.pid });
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
    process.send?.({ id, result: await obey(order as Order) });
  } catch (error) {
    process.send?.({ id, error: (error as Error).message });
  }
});
process.once('disconnect', () => process.exit());
process.send?.({ port: 0 });
