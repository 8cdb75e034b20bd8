import test from 'ava';
import { type Line, splitLines } from '../../src/lib/split_lines.ts';
import { fc } from '../helpers/fuzzing.ts';

async function* chunksOf(bytes: Buffer, sizes: number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (let i = 0; at < bytes.length; i += 1) {
    const size = sizes[i % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function split(text: string, { sizes = [7], max = 100 } = {}): Promise<Line[]> {
  return await Array.fromAsync(splitLines(chunksOf(Buffer.from(text), sizes), max));
}

test('lines have a number and an end offset, and the last one needs no line break', async (t) => {
  const lines = await split('one\n\ntwo\r\nthrée');
  t.deepEqual(
    lines.map(({ number, bytes, end }) => [number, bytes?.toString(), end]),
    [
      [1, 'one', 4],
      [2, '', 5],
      [3, 'two\r', 10],
      [4, 'thrée', 16],
    ],
  );
  t.deepEqual(await split(''), []);
  t.deepEqual((await split('\n')).length, 1);
});

test('a line that is too long keeps only its number, and the next line is complete', async (t) => {
  const lines = await split(`${'x'.repeat(101)}\n${'y'.repeat(100)}\n${'z'.repeat(1_000)}`);
  t.deepEqual(
    lines.map(({ bytes }) => bytes?.length ?? null),
    [null, 100, null],
  );
  t.is(lines.at(-1)?.end, 1_203);
});

test('the lines do not depend on the chunks of the file', async (t) => {
  const text = fc.string({ unit: fc.constantFrom('a', 'é', '\n', '\r') });
  await t.notThrowsAsync(
    fc.assert(
      fc.asyncProperty(
        text,
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        async (given, sizes) => {
          const lines = (await split(given, { sizes })).map(({ bytes }) => bytes?.toString());
          const expected = given.split('\n');
          if (expected.at(-1) === '') expected.pop();
          return JSON.stringify(lines) === JSON.stringify(expected);
        },
      ),
    ),
  );
});
