import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseEnv } from 'node:util';
import test from 'ava';
import { ConfigError, loadConfig } from '../config/index.ts';
import { settingsTable, updateCommand, withSettings } from '../config/readme.ts';
import about from '../package.json' with { type: 'json' };
import { secret } from './helpers/builders.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFile(join(root, path), 'utf8');

async function pages(): Promise<string[]> {
  const docs = (await readdir(join(root, 'docs'), { recursive: true })).map((name) => `docs/${name}`);
  return ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', ...docs.filter((name) => name.endsWith('.md'))];
}

test("README's settings are those of the schema", async (t) => {
  const readme = await read('README.md');
  t.true(readme === withSettings(readme), `README is out of date; run: ${updateCommand}`);
});

test('the example environment is valid for production once it has its secret, and names only existing settings', async (t) => {
  const given = parseEnv(await read('config/example.env')) as Record<string, string>;
  const known = settingsTable().map(({ name }) => name);
  t.deepEqual(
    Object.keys(given).filter((name) => !known.includes(name)),
    [],
  );
  const { problems } = t.throws(() => loadConfig(given), { instanceOf: ConfigError }) ?? { problems: [] };
  t.deepEqual(problems, ['KINDRED_SECRET: is required in production']);
  t.is(loadConfig({ ...given, KINDRED_SECRET: secret }).env, 'production');
});

test('every link between the pages has a target', async (t) => {
  for (const page of await pages()) {
    for (const [, target = ''] of (await read(page)).matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
      if (/^https?:/.test(target)) continue;
      t.true(existsSync(join(root, dirname(page), target)), `${page}: ${target}`);
    }
  }
});

test('every npm script and every file that the pages name exists', async (t) => {
  for (const page of await pages()) {
    const text = await read(page);
    for (const [, name = ''] of text.matchAll(/npm run (?:--silent )?([\w-]+)/g)) {
      t.true(Object.hasOwn(about.scripts, name), `${page}: npm run ${name}`);
    }
    // The name of a block of docs/connect/ is a file of the reader's own program.
    const ours = text.replaceAll(/^```.+$/gm, '```');
    for (const [path] of ours.matchAll(/\b(?:config|bench|src|test)\/[\w/.]*\w/g)) {
      t.true(existsSync(join(root, path)), `${page}: ${path}`);
    }
  }
});

test('the architecture chapter of README shows folders and files that exist', async (t) => {
  const [, house = ''] = /```\n(config\/[\s\S]+?)```/.exec(await read('README.md')) ?? [];
  const lines = house.trimEnd().split('\n');
  t.true(lines.length > 10);
  for (const line of lines) {
    const [, indent = '', name = ''] = /^( *)([\w./]+)/.exec(line) ?? [];
    t.true(existsSync(join(root, indent ? 'src' : '', name)), line);
  }
});
