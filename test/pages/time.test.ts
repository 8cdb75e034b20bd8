// Times and waits as pages show them.
import test from 'ava';
import { ago, exactMoment, onDay, waitFor } from '../../src/pages/time.ts';

const now = new Date('2030-05-12T14:03:00Z');
const before = (seconds: number) => new Date(now.getTime() - seconds * 1000);

test('times are relative, with the exact time beside them', (t) => {
  const cases: [seconds: number, text: string][] = [
    [0, 'just now'],
    [59, 'just now'],
    [60, '1 minute ago'],
    [3_599, '59 minutes ago'],
    [7_300, '2 hours ago'],
    [86_400, 'yesterday'],
    [6 * 86_400, '6 days ago'],
    [8 * 86_400, 'last week'],
    [70 * 86_400, '2 months ago'],
    [800 * 86_400, '2 years ago'],
    [-300, 'in 5 minutes'],
  ];
  for (const [seconds, text] of cases) t.is(ago(before(seconds), now).text, text);
  t.deepEqual(ago(before(60), now), {
    iso: '2030-05-12T14:02:00.000Z',
    text: '1 minute ago',
    title: '12 May 2030 at 14:02 UTC',
  });
  t.is(exactMoment(now).text, '12 May 2030 at 14:03 UTC');
  t.is(onDay(now).text, '12 May 2030');
});

test('a wait is never shown shorter than it is', (t) => {
  const cases: [seconds: number, text: string][] = [
    [0, '1 second'],
    [0.2, '1 second'],
    [60, '60 seconds'],
    [91, '2 minutes'],
    [181, '4 minutes'],
    [5_400, '2 hours'],
    [130_000, '2 days'],
  ];
  for (const [seconds, text] of cases) t.is(waitFor(seconds), text);
});
