// The arithmetic of the bench and its command line.
import { hash } from '@node-rs/argon2';
import test from 'ava';
import { monthsSince } from '../../bench/benches/aged_database.ts';
import { describeReport, joinReports, replacePart } from '../../bench/harness/docs.ts';
import { figure, inOrder, reached, rowOf } from '../../bench/harness/figures.ts';
import { readCommandLine } from '../../bench/harness/options.ts';
import type { Report } from '../../bench/harness/report.ts';
import { median } from '../../bench/harness/rounds.ts';
import { withTimeLimit } from '../../bench/harness/time_limit.ts';
import { coresIn } from '../../bench/machine/cpu.ts';
import { strength } from '../../bench/peers/strength.ts';
import { readProfile } from '../../bench/profile.ts';
import { isOutdated } from '../../src/core/passwords/password_hash.ts';

test('a figure reaches its aim, its minimum or neither, and for some figures less is better', (t) => {
  const rate = (measured: number) => reached(figure('plain refresh against floor', measured));
  t.deepEqual([0.85, 0.84, 0.75, 0.74, Number.NaN].map(rate), ['aim', 'must', 'must', 'NOT MET', 'NOT MET']);
  const size = (measured: number) => reached(figure('bytes a session, indexes included', measured));
  t.deepEqual([800, 801, 1200, 1201].map(size), ['aim', 'must', 'must', 'NOT MET']);
});

test('the median of an even number of rounds lies between the middle two', (t) => {
  t.deepEqual([median([3, 1, 2]), median([4, 1, 3, 2]), median([7])], [2, 2.5, 7]);
});

test('the command line names benches, each with its arguments, and refuses unknown names', (t) => {
  const names = ['refresh', 'scale'];
  t.deepEqual(readCommandLine(['refresh', 'kindred', 'scale', '5', '--rounds', '2', '--no-durable'], names), {
    chosen: [
      { name: 'refresh', args: ['kindred'] },
      { name: 'scale', args: ['5'] },
    ],
    options: {
      rounds: 2,
      seconds: 2,
      durable: false,
      profile: false,
      pin: true,
      writeDocs: false,
      minutes: 30,
    },
  });
  t.throws(() => readCommandLine(['fast'], names), {
    message: 'there is no bench fast; there are refresh, scale',
  });
  t.throws(() => readCommandLine(['--rounds', '0'], names), { message: /--rounds/ });
});

test('figures stand in the order of their bars', (t) => {
  const [last, first] = [
    figure('HOT share of rotation updates', 1),
    figure('plain refresh against floor', 1),
  ];
  t.deepEqual(inOrder([last, first]), [first, last]);
  t.deepEqual(rowOf(first), ['plain refresh against floor', '1.00', '≥ 0.75', '≥ 0.85', 'aim']);
});

test('the page gets the results of the last run of each bench, and keeps what stands around them', (t) => {
  const report = (at: string, benches: Record<string, number>): Report => ({
    at,
    machine: 'a machine',
    commit: 'abc',
    settings: { pinning: 'not pinned', postgres: '18', rounds: 5, round_seconds: 2 },
    benches: Object.fromEntries(
      Object.entries(benches).map(([name, seconds]) => [
        name,
        { figures: [], facts: { seconds }, load: 0, seconds },
      ]),
    ),
  });
  const joined = joinReports([report('2026-01-01T', { a: 30, b: 30 }), report('2026-01-02T', { b: 60 })]);
  const begin = '<!-- written by the bench: begin -->';
  const end = '<!-- written by the bench: end -->';
  t.is(
    replacePart(`before ${begin}\nold\n${end} after`, describeReport(joined)),
    `before ${begin}
2026-01-02, commit abc: a machine; not pinned; Postgres 18; 5 rounds of 2 s; 1.50 minutes.

| figure | measured | must | aim | met |
| --- | --: | --: | --: | --: |

### a

- seconds: 30

### b

- seconds: 60
${end} after`,
  );
  t.throws(() => replacePart('no markers', ''), { message: 'the page has no markers' });
});

test('a bench that takes too long is an error', async (t) => {
  t.is(await withTimeLimit(Promise.resolve(1), 60_000), 1);
  const never = Promise.withResolvers<never>();
  await t.throwsAsync(withTimeLimit(never.promise, 0), { message: 'it took longer than 0 s' });
});

test('the months of a trail', (t) => {
  const months = monthsSince(Date.UTC(2025, 10, 27), Date.UTC(2026, 1, 3));
  t.deepEqual(
    months.map((month) => month.toISOString().slice(0, 10)),
    ['2025-11-01', '2025-12-01', '2026-01-01', '2026-02-01'],
  );
});

test('a list of cores as the kernel writes it', (t) => {
  t.deepEqual(coresIn('0-2,5,7-8'), [0, 1, 2, 5, 7, 8]);
});

test('the peers of the bench hash passwords at the same cost as Kindred', async (t) => {
  t.false(isOutdated(await hash('a password', strength)));
  t.true(isOutdated(await hash('a password', { ...strength, timeCost: 3 })));
});

test('a profile is read as the self time of functions and of packages, without idling', (t) => {
  const root = new URL('../../', import.meta.url).href;
  const node = (id: number, functionName: string, url: string) => ({
    id,
    callFrame: { functionName, url, lineNumber: 9 },
  });
  const nodes = [
    node(1, '(idle)', ''),
    node(2, 'rotate', `${root}src/core/sessions/rotation.ts`),
    node(3, 'raw', `${root}node_modules/knex/lib/raw.js`),
  ];
  const { functions, places } = readProfile({ nodes, samples: [1, 2, 3, 2], timeDeltas: [50, 10, 20, 5] });
  t.deepEqual(
    [...functions],
    [
      ['rotate src/core/sessions/rotation.ts:10', 15],
      ['raw knex/lib/raw.js:10', 20],
    ],
  );
  t.deepEqual(
    [...places],
    [
      ['src/core', 15],
      ['knex', 20],
    ],
  );
});
