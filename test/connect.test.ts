// The pages of docs/connect/ and the clients of test/interop/ that run them, without running any.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { readSources } from './helpers/structure/sources.ts';
import { readPage } from './interop/harness/pages.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

test('the overview lists every page, every page has a client that runs it, and every block names its file', async (t) => {
  const names = (await readdir(join(root, 'docs/connect'))).filter((name) => name !== 'README.md');
  const overview = await readFile(join(root, 'docs/connect/README.md'), 'utf8');
  const clients = (await readSources('test/interop')).filter(({ path }) => path.endsWith('.interop.ts'));
  t.true(names.length > 5);
  for (const name of names) {
    t.true(overview.includes(`](${name})`), `${name} is listed`);
    t.true(
      clients.some(({ text }) => text.includes(`docs/connect/${name}`)),
      `${name} has a client`,
    );
    t.true((await readPage(name.replace(/\.md$/, ''))).size > 0, name);
  }
});

test('the clients have exact versions, and their lock files name no registry', async (t) => {
  const manifests = await readSources('test/interop', ['.json', '.txt']);
  t.true(manifests.length > 4);
  for (const { path, text } of manifests) {
    if (path.endsWith('package-lock.json')) t.notRegex(text, /"resolved"/, path);
    if (path.endsWith('requirements.txt')) {
      for (const line of text.trim().split('\n')) t.regex(line, /^[\w.-]+(\[\w+\])?==[\w.]+$/, path);
    }
    if (path.endsWith('/package.json')) {
      const versions: string[] = Object.values(JSON.parse(text).dependencies);
      for (const version of versions) t.regex(version, /^(npm:[@\w/-]+@)?\d[\w.-]*$/, path);
    }
  }
});
