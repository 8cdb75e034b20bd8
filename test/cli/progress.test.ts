import test from 'ava';
import { startProgress } from '../../src/cli/progress.ts';

function makeOutput(isTTY: boolean, columns = 80) {
  const written: string[] = [];
  let time = 0;
  return {
    written,
    output: { isTTY, columns, write: (text: string) => written.push(text) },
    clock: () => time,
    pass: (ms: number) => {
      time += ms;
    },
  };
}

test('on a terminal one bar is shown and removed at the end', async (t) => {
  const { written, output, clock, pass } = makeOutput(true);
  const progress = startProgress(1_000, output, clock);
  pass(120);
  progress.update(500, '10 lines, 0 refused');
  progress.update(501, 'too soon after the last one');
  pass(120);
  progress.update(1_000, '20 lines, 1 refused');
  progress.finish();
  t.is(written.length, 3);
  t.deepEqual(
    written.map((text) => text.replace(/0:0[0-2] left$/, 'soon')),
    [
      `\r\x1b[K[${'#'.repeat(12)}${'.'.repeat(12)}]  50 %, 10 lines, 0 refused, soon`,
      `\r\x1b[K[${'#'.repeat(24)}] 100 %, 20 lines, 1 refused, soon`,
      '\r\x1b[K',
    ],
  );
});

test('the bar fits the terminal', async (t) => {
  const { written, output, clock, pass } = makeOutput(true, 30);
  const progress = startProgress(0, output, clock);
  pass(120);
  progress.update(0, 'x'.repeat(100));
  t.is(written[0]?.replace('\r\x1b[K', '').length, 29);
});

test('without a terminal a short run prints nothing', async (t) => {
  const { written, output, clock, pass } = makeOutput(false);
  const progress = startProgress(10, output, clock);
  pass(120);
  progress.update(5, '10 lines');
  progress.finish();
  t.deepEqual(written, []);
});
