// docs/security.md against the tests: every point is answered, and every test that it names exists.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { points } from './points.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string) => readFileSync(`${root}${path}`, 'utf8');
const text = read('docs/security.md');

/** The rows of the tables of points: the point and its answer. */
const rows = [...text.matchAll(/^\| ((?:RFC 9700|ASVS) [\d.]+) \| [^|]+ \| ([^|]+) \|$/gm)].map(
  ([, point = '', answer = '']) => ({ point, answer }),
);

/** A test as the document names it: the file, then one or more titles. */
function namedTests(said: string): { file: string; title: string }[] {
  return [...said.matchAll(/`(test\/[\w/]+\.test\.ts)`((?:,? "[^"]+")+)/g)].flatMap(
    ([, file = '', titles = '']) =>
      [...titles.matchAll(/"([^"]+)"/g)].map(([, title = '']) => ({ file, title })),
  );
}

test('the tables have one row for every point, in order, and no others', (t) => {
  t.deepEqual(
    rows.map((row) => row.point),
    points,
  );
});

test('every row names a test or says why there is none', (t) => {
  for (const { point, answer } of rows) {
    const isExplained = /^(Not met|Partly|By choice|Not ours|Not offered|Documented): .{30,}/.test(answer);
    t.true(namedTests(answer).length > 0 || isExplained, `${point}: ${answer}`);
  }
});

test('every test that the document names exists', (t) => {
  const named = namedTests(text);
  t.true(named.length > 50, 'the titles are found');
  for (const file of text.match(/test\/[\w/]+\.ts/g) ?? []) t.true(existsSync(root + file), file);
  for (const { file, title } of named) t.true(read(file).includes(title), `${file}: ${title}`);
});

test('every test whose title begins with a point stands in the row of that point', (t) => {
  const files = readdirSync(`${root}test/hostile`).filter((file) =>
    /^(rfc9700|asvs)_.*\.test\.ts$/.test(file),
  );
  t.true(files.length >= 3);
  for (const file of files.map((name) => `test/hostile/${name}`)) {
    const titles = [...read(file).matchAll(/^(?:test\w*\(|\s+)'((?:RFC 9700|ASVS) ([\d.]+): [^'\n]+)'/gm)];
    t.true(titles.length > 5, file);
    for (const [, title = ''] of titles) {
      const [point] = title.split(':');
      const row = rows.find((one) => one.point === point);
      t.true(row?.answer.includes(`"${title}"`) && row.answer.includes(file), title);
    }
  }
});

test('SECURITY.md names no mail address and no URL that could be wrong', (t) => {
  const policy = read('SECURITY.md');
  t.regex(policy, /private vulnerability reporting/);
  t.notRegex(policy, /[\w.]+@[\w.]+|https?:\/\//);
});
