import test from 'ava';
import { citationProblems, mirrorProblems, readmeProblems } from './helpers/structure/folders.ts';
import { readSources } from './helpers/structure/sources.ts';

const endings = ['.ts', '.js', '.cjs', '.mjs', '.css', '.eta', '.html'];

test('every folder of src has a README of three to ten lines', async (t) => {
  t.deepEqual(readmeProblems(await readSources('src', [...endings, '.md'])), []);
});

test('every folder of tests for a layer mirrors one of src', async (t) => {
  t.deepEqual(mirrorProblems(await readSources('src', endings), await readSources('test')), []);
});

test('nothing cites a document that the repository does not hold', async (t) => {
  const files = await Promise.all(
    ['src', 'test', 'docs'].map((folder) => readSources(folder, [...endings, '.md', '.json'])),
  );
  t.deepEqual(citationProblems(files.flat()), []);
});

test('a README that is missing, too short or too long is found', (t) => {
  const text = (lines: number): string => `# Users\n\n${'One line.\n\n'.repeat(lines)}`;
  const files = [
    { path: 'src/README.md', text: text(25) },
    { path: 'src/app.ts', text: '' },
    { path: 'src/core/README.md', text: text(2) },
    { path: 'src/core/users/README.md', text: text(10) },
    { path: 'src/core/users/users.ts', text: '' },
    { path: 'src/core/keys/README.md', text: text(11) },
    { path: 'src/oidc/models/codes.ts', text: '' },
    { path: 'src/oidc/models/README.md', text: text(3) },
  ];
  t.deepEqual(readmeProblems(files), [
    'src/core/README.md:2: has 2 lines of text, 3 to 10',
    'src/core/keys/README.md:11: has 11 lines of text, 3 to 10',
    'src/oidc/README.md:1: is missing',
  ]);
  t.deepEqual(readmeProblems([{ path: 'src/README.md', text: text(26) }]), [
    'src/README.md:26: has 26 lines of text, 3 to 25',
  ]);
});

test('a folder of tests that mirrors nothing is found', (t) => {
  const sources = [{ path: 'src/core/users/users.ts', text: '' }];
  const paths = [
    'core/users/x',
    'core/people/x',
    'oidc/x',
    'core/users/children/x',
    'flows/x',
    'helpers/core/x',
  ];
  const tests = paths.map((path) => ({ path: `test/${path}.test.ts`, text: '' }));
  t.deepEqual(mirrorProblems(sources, tests), [
    'test/core/people: there is no src/core/people',
    'test/oidc: there is no src/oidc',
  ]);
});

test('a citation of the missing document is found', (t) => {
  const text = `// One line.\n// See ${['DES', 'IGN'].join('')}, section 4.\n`;
  t.is(citationProblems([{ path: 'src/lib/x.ts', text }]).length, 1);
  t.deepEqual(citationProblems([{ path: 'src/lib/x.ts', text: '// The design of a page.' }]), []);
});
