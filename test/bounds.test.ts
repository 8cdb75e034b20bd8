import test from 'ava';
import { boundProblems, castProblems } from './helpers/structure/bounds.ts';
import { readSources } from './helpers/structure/sources.ts';

const endings = ['.ts', '.js', '.cjs', '.mjs', '.css', '.eta', '.html'];

test('no file and no function is longer than its bound', async (t) => {
  const folders = ['src', 'config', 'bench', 'examples', 'packages', 'test'];
  const sources = await Promise.all(folders.map((folder) => readSources(folder, endings)));
  t.deepEqual(boundProblems(sources.flat()), []);
});

test('at most one cast in a thousand lines is to never, unknown or any', async (t) => {
  const sources = await Promise.all(['src', 'config', 'bench'].map((folder) => readSources(folder)));
  t.deepEqual(castProblems(sources.flat()), []);
});

test('a file of 201 lines is too long, in test/ one of 401', (t) => {
  const files = [
    { path: 'src/lib/x.ts', text: '\n'.repeat(200) },
    { path: 'src/lib/y.ts', text: '\n'.repeat(201) },
    { path: 'src/pages/styles/x.css', text: '\n'.repeat(201) },
    { path: 'test/lib/x.test.ts', text: '\n'.repeat(400) },
    { path: 'test/lib/y.test.ts', text: '\n'.repeat(401) },
  ];
  t.deepEqual(boundProblems(files), [
    'src/lib/y.ts:201: the file has 201 lines, at most 200',
    'src/pages/styles/x.css:201: the file has 201 lines, at most 200',
    'test/lib/y.test.ts:401: the file has 401 lines, at most 400',
  ]);
});

const functions: [form: string, first: string, last: string][] = [
  ['a declaration', 'export async function a(b: string): Promise<void> {', '}'],
  ['a signature of several lines', 'function a(\n  b: string,\n): void {', '}'],
  ['an arrow', 'const a = (b: string): void => {', '};'],
  ['a callback', "test('a', (t) => {", '});'],
  ['a method', 'class A { b<T>(c: T): void {', '} }'],
  ['a member of an object', 'const a = { b() {', '} };'],
  ['a function in a function', 'const a = () => () => {', '};'],
];

for (const [form, first, last] of functions) {
  test(`${form} is measured from its signature to its closing brace`, (t) => {
    const lines = first.split('\n').length + 1;
    const long = (path: string, max: number): string[] =>
      boundProblems([{ path, text: `let x;\n${first}\n${'x();\n'.repeat(max - lines)}${last}\n` }]);
    t.deepEqual(long('src/lib/x.ts', 50), []);
    t.true(long('src/lib/x.ts', 51).includes('src/lib/x.ts:2: the function has 51 lines, at most 50'));
    t.deepEqual(long('test/lib/x.ts', 80), []);
    t.true(long('test/lib/x.ts', 81).includes('test/lib/x.ts:2: the function has 81 lines, at most 80'));
  });
}

const casts = [
  'const a = b as never;',
  'const a = b as unknown as C;',
  'const a = b as any;',
  'const a: any = 1;',
  'const a = (b: any) => b;',
  'const a = new Map<string, any>();',
  'const a: Promise<any> = b;',
  'const a: any[] = [];',
  'const a: string | any = b;',
];

for (const text of casts) {
  test(`a cast is found in: ${text}`, (t) => {
    const [head, ...found] = castProblems([{ path: 'src/lib/x.ts', text: `let x;\n${text}\n` }]);
    t.is(head, '1 casts in 2 lines, at most 0:');
    t.is(found.length, 1);
    t.true(found[0]?.startsWith('src/lib/x.ts:2: '));
  });
}

test('one cast in a thousand lines is allowed, and words are not counted as casts', (t) => {
  const cast = 'const a = b as never;\n';
  t.deepEqual(castProblems([{ path: 'src/lib/x.ts', text: cast + '\n'.repeat(999) }]), []);
  t.is(castProblems([{ path: 'src/lib/x.ts', text: cast.repeat(2) + '\n'.repeat(998) }]).length, 3);
  const words = [
    '// as any client, as never before',
    "const text = 'Not known: the issuer';",
    'const one = list.any;',
    'const f = (a: unknown): never => g(a);',
    'const g = { any: 1, never: 2 };',
  ].join('\n');
  t.deepEqual(castProblems([{ path: 'src/lib/x.ts', text: words }]), []);
});
