import test from 'ava';
import { createConcurrencyGate } from '../../src/lib/concurrency_gate.ts';
import { fc } from '../helpers/fuzzing.ts';

/** Works that are asked for at once and end when told to. */
function askFor(count: number, gate: ReturnType<typeof createConcurrencyGate>) {
  const started: number[] = [];
  const gone: number[] = [];
  const ends: ((error?: Error) => void)[] = [];
  const outcomes = Array.from({ length: count }, (_, index) =>
    gate(() => {
      started.push(index);
      return new Promise<number>((resolve, reject) => {
        ends[index] = (error) => (error ? reject(error) : resolve(index));
      });
    }).finally(() => gone.push(index)),
  );
  return {
    started,
    gone,
    outcomes,
    async end(index: number, error?: Error) {
      ends[index]?.(error);
      // Promises follow promises: this is later than all of them.
      await new Promise(setImmediate);
    },
  };
}

test('while calls wait, finished ones return in groups; when none waits, they return at once', async (t) => {
  const works = askFor(10, createConcurrencyGate(1, 4));
  const seen: number[] = [];
  for (let index = 0; index < 10; index += 1) {
    await works.end(index);
    seen.push(works.gone.length);
  }
  // The seventh finds two waiting and two held: no more are held than wait.
  t.deepEqual(seen, [0, 0, 0, 4, 4, 4, 7, 7, 9, 10]);
  t.deepEqual(await Promise.all(works.outcomes), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test('when no call waits, none is held, however large the group', async (t) => {
  const works = askFor(3, createConcurrencyGate(3, 100));
  for (const index of [2, 0, 1]) await works.end(index);
  t.deepEqual(works.gone, [2, 0, 1]);
});

test('failing work frees its place, and only its own caller gets the error', async (t) => {
  const works = askFor(4, createConcurrencyGate(1, 4));
  const outcomes = Promise.allSettled(works.outcomes);
  for (const index of [0, 1, 2, 3]) await works.end(index, index % 2 ? undefined : new Error(`of ${index}`));
  const told = (await outcomes).map((one) => (one.status === 'fulfilled' ? one.value : one.reason.message));
  t.deepEqual(told, ['of 0', 1, 'of 2', 3]);
});

/** A place that asks; those who are `gone` have hung up. */
function placesOf(capacity: number) {
  const gone = new Set<string>();
  const asker = (key: string, id = key) => ({ key, capacity, isDisconnected: () => gone.has(id) });
  return { gone, asker };
}

/** Works whose outcome is noted under their names, and which end when told to. */
function nameWorks(gate: ReturnType<typeof createConcurrencyGate>) {
  const started: string[] = [];
  const refused: string[] = [];
  const ends = new Map<string, () => void>();
  return {
    started,
    refused,
    ask(name: string, asker?: Parameters<typeof gate>[1]) {
      const work = () => {
        started.push(name);
        return new Promise<void>((resolve) => ends.set(name, resolve));
      };
      gate(work, asker).catch((error) => {
        if (error.code !== 'overloaded' || error.retryAfter < 1) throw error;
        refused.push(name);
      });
    },
    async end(name: string) {
      ends.get(name)?.();
      await new Promise(setImmediate);
    },
  };
}

test('networks take turns, and calls of one network keep their order', async (t) => {
  const works = nameWorks(createConcurrencyGate(1));
  const { asker } = placesOf(100);
  for (const name of ['a1', 'a2', 'a3', 'a4', 'b1', 'c1', 'b2']) works.ask(name, asker(name[0] ?? ''));
  for (const name of ['a1', 'a2', 'b1', 'c1', 'a3', 'b2', 'a4']) await works.end(name);
  t.deepEqual(works.started, ['a1', 'a2', 'b1', 'c1', 'a3', 'b2', 'a4']);
});

test('the queue is bounded, and a network that fills it makes room for others', async (t) => {
  const gate = createConcurrencyGate(1);
  const works = nameWorks(gate);
  const { asker } = placesOf(4);
  for (const name of ['a1', 'a2', 'a3', 'a4', 'a5', 'a6']) works.ask(name, asker('a'));
  await new Promise(setImmediate);
  t.deepEqual(works.refused, ['a6'], 'one runs and four wait');
  t.throws(() => gate.requireRoom(asker('a')), { code: 'overloaded' });
  t.notThrows(() => gate.requireRoom(asker('b')));
  for (const name of ['b1', 'b2', 'b3']) works.ask(name, asker('b'));
  await new Promise(setImmediate);
  t.deepEqual(
    works.refused.toSorted(),
    ['a4', 'a5', 'a6', 'b3'],
    'the newest of the longer line, until both are equal',
  );
  for (const name of ['a1', 'a2', 'b1', 'a3', 'b2']) await works.end(name);
  t.deepEqual(works.started, ['a1', 'a2', 'b1', 'a3', 'b2']);
});

test('disconnected callers get no work done, and take no place in the queue', async (t) => {
  const works = nameWorks(createConcurrencyGate(1));
  const { gone, asker } = placesOf(3);
  works.ask('running', asker('a', 'running'));
  for (const name of ['a1', 'a2', 'a3']) works.ask(name, asker('a', name));
  gone.add('a1').add('a2');
  works.ask('a4', asker('a', 'a4'));
  gone.add('a3').add('late');
  works.ask('late', asker('b', 'late'));
  await works.end('running');
  await works.end('a4');
  t.deepEqual(works.started, ['running', 'a4']);
  t.deepEqual(works.refused.toSorted(), ['a1', 'a2', 'a3', 'late']);
  works.ask('afterwards', asker('a', 'afterwards'));
  t.is(works.started.at(-1), 'afterwards', 'the place is free');
});

test('in any order of completion: never more than the width at once, in the order of the calls, and none is forgotten', async (t) => {
  const works = fc.array(fc.record({ fails: fc.boolean(), asksAgain: fc.boolean() }), { maxLength: 25 });
  await t.notThrowsAsync(
    fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        works,
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 9 }),
        async (scheduler, list, width, group) => {
          const gate = createConcurrencyGate(width, group);
          const started: number[] = [];
          const asked: number[] = [];
          let running = 0;
          const run = async (fails: boolean): Promise<number> => {
            const number = asked.length;
            asked.push(number);
            return await gate(async () => {
              started.push(number);
              running += 1;
              if (running > width) throw new Error(`${running} at once`);
              await scheduler.schedule(Promise.resolve());
              running -= 1;
              if (fails) throw new Error('told to fail');
              return number;
            });
          };
          const all = Promise.allSettled(
            list.map(async ({ fails, asksAgain }, index) => {
              if (index % 3 === 2) await scheduler.schedule(Promise.resolve());
              await run(fails).catch((error) => {
                if (!fails) throw error;
              });
              if (asksAgain) await run(false);
            }),
          );
          await scheduler.waitFor(all);
          const failures = (await all).filter(({ status }) => status === 'rejected');
          if (failures.length > 0) throw new Error(JSON.stringify(failures));
          if (started.join() !== asked.join()) throw new Error(`${started} of ${asked}`);
        },
      ),
    ),
  );
});
