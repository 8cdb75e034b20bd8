// Several nodes of one deployment: separate processes on one database, with one issuer.
import test, { type ExecutionContext } from 'ava';
import { createConcurrencyGate } from '../../src/lib/concurrency_gate.ts';
import { type RunningServer, registerGateway, runServerProcess, type TestServer } from './server.ts';
import { makeEmptyStore, type OwnStore, type StoreName, storeNames } from './stores.ts';
import { giveTime } from './until.ts';

/** Three nodes that started at the same time on an empty database. */
export type Nodes = [TestServer, TestServer, TestServer];

const issuer = 'https://id.example.test';

/** Registers the test once per store, on nodes that all tests of the file share, one test after the other. */
export function testOnNodes(title: string, body: (t: ExecutionContext, nodes: Nodes) => Promise<void>): void {
  for (const name of storeNames) {
    test(`${title} (${name})`, async (t) => {
      await turns[name](async () => {
        giveTime(t);
        await body(t, await sharedNodes(name));
      });
    });
  }
}

const turns = { sqlite: createConcurrencyGate(1), postgres: createConcurrencyGate(1) };

interface Started {
  store: OwnStore;
  running: RunningServer[];
  nodes: Nodes;
}

const shared = new Map<StoreName, Promise<Started>>();

async function sharedNodes(name: StoreName): Promise<Nodes> {
  const known = shared.get(name) ?? start(name);
  shared.set(name, known);
  return (await known).nodes;
}

async function start(name: StoreName): Promise<Started> {
  const store = await makeEmptyStore(name);
  const running = await Promise.all([1, 2, 3].map(() => runServerProcess(store.url, { ISSUER: issuer })));
  const nodes: TestServer[] = [];
  for (const one of running) nodes.push(await registerGateway(store, one));
  return { store, running, nodes: nodes as Nodes };
}

test.after.always('the shared nodes stop', async () => {
  for (const starting of shared.values()) {
    const { store, running } = await starting;
    await Promise.all(running.map((one) => one.stop()));
    await store.drop();
  }
});
