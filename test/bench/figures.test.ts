// The arithmetic of the bench and its command line.
import { hash } from '@node-rs/argon2';
import test from 'ava';
import { figure, reached } from '../../bench/harness/figures.ts';
import { readCommandLine } from '../../bench/harness/options.ts';
import { median } from '../../bench/harness/rounds.ts';
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
    options: { rounds: 2, seconds: 2, durable: false, profile: false, pin: true },
  });
  t.throws(() => readCommandLine(['fast'], names), {
    message: 'there is no bench fast; there are refresh, scale',
  });
  t.throws(() => readCommandLine(['--rounds', '0'], names), { message: /--rounds/ });
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
