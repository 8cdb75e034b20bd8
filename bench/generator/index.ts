// The generator as seen from its parent process: send orders, receive rounds.
import type { ChildProcess } from 'node:child_process';
import type { Limit, Round } from './drive.ts';
import type { Load } from './loads.ts';
import type { Order } from './process.ts';

export interface Generator {
  /** Opens a load under a name; `source` is the load whose kept access tokens it uses up. */
  open: (name: string, load: Load, pid: number, source?: string) => Promise<void>;
  drive: (name: string, limit: Limit) => Promise<Round>;
  /** The newest access token of each chain. */
  newest: (name: string) => Promise<string[]>;
  close: (name: string) => Promise<void>;
}

interface Reply {
  id: number;
  result?: unknown;
  error?: string;
}

/** Talks to a generator's process. */
export function createGenerator(child: ChildProcess): Generator {
  const waiting = new Map<number, (reply: Reply) => void>();
  let last = 0;
  child.on('message', (reply: Reply) => {
    waiting.get(reply.id)?.(reply);
    waiting.delete(reply.id);
  });
  child.once('exit', () => {
    for (const [id, settle] of waiting) settle({ id, error: 'the generator ended' });
  });
  const order = async <Result>(given: Order): Promise<Result> => {
    last += 1;
    const id = last;
    const { promise, resolve } = Promise.withResolvers<Reply>();
    waiting.set(id, resolve);
    child.send({ id, ...given });
    const { result, error } = await promise;
    if (error !== undefined) throw new WrongAnswer(`${given.name}: ${error}`);
    return result as Result;
  };
  return {
    open: (name, load, pid, source) =>
      order({ order: 'open', name, load, pid, ...(source === undefined ? {} : { source }) }),
    drive: (name, limit) => order({ order: 'drive', name, limit }),
    newest: (name) => order({ order: 'newest', name }),
    close: (name) => order({ order: 'close', name }),
  };
}

/** A wrong answer: the only error for which a bench fails. */
export class WrongAnswer extends Error {}
