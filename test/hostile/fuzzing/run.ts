// One fuzzing run: a server, generated requests, and the assertions afterwards. A failure prints its seed and path;
// FUZZ_SEED and FUZZ_PATH replay it, FUZZ_RUNS sets the number of sequences, SOAK makes a long run.
import type { ExecutionContext } from 'ava';
import { secret } from '../../helpers/builders.ts';
import { fc } from '../../helpers/fuzzing.ts';
import type { TestServer } from '../../helpers/server.ts';
import { makeStore, type StoreName } from '../../helpers/stores.ts';
import { assertCleanLog, problemOf } from './checks.ts';
import { type MeasuredServer, startMeasured } from './measured_server.ts';
import { type References, secretNames } from './references.ts';
import { type FuzzRequest, sendFuzzed } from './request.ts';
import { marker } from './values.ts';
import { areAlive, makeBystander, makeReferences } from './world.ts';

const { FUZZ_PATH, FUZZ_RUNS, SOAK } = process.env;

/** Duration of a run in milliseconds, and the number of sequences (up to eight requests each) that ends it earlier. */
const time = SOAK ? 300_000 : 25_000;
const runs = Number(FUZZ_RUNS ?? (SOAK ? 20_000 : 700));

/** Bytes by which the heap may grow, since caches fill and keys rotate; a leak of 10 kB per request would be more. */
const growth = 32 * 2 ** 20;

/** Sends requests of `requestOf` to a server on this store, and asserts what must hold. */
export async function fuzz(
  t: ExecutionContext,
  name: StoreName,
  requestOf: (server: TestServer) => Promise<fc.Arbitrary<FuzzRequest>>,
): Promise<void> {
  t.timeout(time + 240_000);
  const store = await makeStore(name);
  t.teardown(store.drop);
  const server = await startMeasured(t, store, { REGISTRATION: 'open', LOG_LEVEL: 'debug' });
  const bystander = await makeBystander(server);
  const known = await makeKnown(server);
  const secrets = [...bystander.secrets, secret];
  const request = await requestOf(server);
  const tally: Tally = { sequences: 0, statuses: new Map(), heaps: [] };
  await runAll(request, async (requests) => {
    tally.sequences += 1;
    if (tally.sequences === warm) tally.heaps.push(await server.heap());
    if (tally.sequences % 4 === 0) await known.revive();
    const references = known.references();
    const exchanges = await Promise.all(requests.map((one) => sendFuzzed(server.url, one, references)));
    for (const exchange of exchanges) {
      const { status, text } = exchange.answer;
      tally.statuses.set(status, (tally.statuses.get(status) ?? 0) + 1);
      const problem = problemOf(exchange, secrets);
      if (problem) throw new Error(`${problem}: ${text.slice(0, 1_000)}\n${lastFailure(server)}`);
    }
  });
  t.true(server.isAlive());
  tally.heaps.push(await server.heap());
  assertTried(t, tally);
  t.true(await bystander.stillWorks());
  await assertNothingTold(t, server, [...secrets, ...known.secrets()]);
}

interface Tally {
  sequences: number;
  /** The number of answers by status. */
  statuses: Map<number, number>;
  /** Bytes of the heap when the server was warm, and at the end. */
  heaps: number[];
}

/** The number of sequences after which the server has loaded and cached everything. */
const warm = 50;

/** Asserts, except in a replay, that requests succeeded and that the heap has not grown. */
function assertTried(t: ExecutionContext, { sequences, statuses, heaps: [first = 0, last] }: Tally): void {
  t.log(`${sequences} sequences, ${JSON.stringify(Object.fromEntries(statuses))}, heap ${first}, ${last}`);
  if (last === undefined) return;
  const counts = [...statuses];
  const sum = (list: typeof counts) => list.reduce((all, [, times]) => all + times, 0);
  // If every request were refused at once, the run would prove nothing.
  t.true(sum(counts.filter(([status]) => status < 400)) > sum(counts) / 10);
  t.true(last - first < growth, `the heap grew from ${first} to ${last}`);
}

async function runAll(
  request: fc.Arbitrary<FuzzRequest>,
  body: (requests: FuzzRequest[]) => Promise<void>,
): Promise<void> {
  const property = fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 8, size: 'max' }), body);
  const result = await fc.check(property, {
    numRuns: runs,
    interruptAfterTimeLimit: time,
    markInterruptAsFailure: false,
    ...(FUZZ_PATH === undefined ? {} : { path: FUZZ_PATH, endOnFailure: true }),
  });
  if (!result.failed) return;
  const { counterexamplePath, counterexample, errorInstance } = result;
  const said = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  const asked = JSON.stringify(counterexample?.[0])?.replaceAll(/x{200,}/g, 'x…');
  throw new Error(
    `FUZZ_SEED=${result.seed} FUZZ_PATH=${counterexamplePath}\n${said}\n${asked?.slice(0, 3_000)}`,
  );
}

/** The last line of the log that reports a failure. */
function lastFailure(server: MeasuredServer): string {
  const lines = server.output().split('\n');
  return lines.findLast((line) => /"level":[56]0/.test(line))?.slice(0, 2_000) ?? '';
}

/** The current references, and all their secrets so far. */
async function makeKnown(server: MeasuredServer) {
  const all: References[] = [await makeReferences(server)];
  const references = () => all.at(-1) as References;
  return {
    references,
    revive: async () => {
      if (!(await areAlive(server, references()))) all.push(await makeReferences(server));
    },
    secrets: () =>
      all.flatMap((one) => secretNames.map((name) => one[name])).filter((value) => value.length > 8),
  };
}

/** Asserts that neither the log nor the audit trail holds a secret. */
async function assertNothingTold(
  t: ExecutionContext,
  server: MeasuredServer,
  secrets: string[],
): Promise<void> {
  assertCleanLog(t, server.output(), [marker, ...secrets]);
  const events = await server.db('audit_events').select();
  t.true(events.length > 0);
  for (const event of events) {
    const { user_agent: _sent, ...row } = event;
    const line = JSON.stringify(row);
    t.is(
      [marker, ...secrets].find((one) => line.includes(one)),
      undefined,
      line.slice(0, 1_000),
    );
  }
}
