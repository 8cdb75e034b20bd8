// The pages of docs/connect/ as programs: every fenced block of a page names its file in the line that opens the fence
// (```js server.js), and these files, with the addresses of the test in place of the example ones, are what a test runs.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import type { Kindred } from './kindred.ts';

/** The addresses that the pages use. */
export const example = { issuer: 'https://id.example.com', app: 'https://app.example.com' };

const folder = fileURLToPath(new URL('../../../docs/connect/', import.meta.url));

/** The files of a page by name. A block without a name is an error, because no test would run it. */
export async function readPage(page: string): Promise<Map<string, string>> {
  const text = await readFile(join(folder, `${page}.md`), 'utf8');
  const files = new Map<string, string>();
  for (const [, info = '', body = ''] of text.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)) {
    const [, name = ''] = info.split(' ');
    if (!name || files.has(name))
      throw new Error(`docs/connect/${page}.md: the block "${info}" names no file of its own`);
    files.set(name, body);
  }
  return files;
}

/**
 * Writes the files of a page into a new folder below `parent`, which is removed with the test. `values` replaces each of its
 * keys everywhere: the example addresses, and what a reader fills in.
 */
export async function layOut(
  t: ExecutionContext,
  page: string,
  parent: string,
  values: Record<string, string>,
): Promise<string> {
  const at = await mkdtemp(join(parent, `${page}-`));
  t.teardown(() => rm(at, { recursive: true, force: true }));
  for (const [name, text] of await readPage(page)) {
    const file = join(at, name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, fillIn(text, values));
  }
  return at;
}

/** The metadata in a page's `client.json`, with the addresses of the test. */
export async function readClient(
  page: string,
  values: Record<string, string>,
  name = 'client.json',
): Promise<object> {
  const text = (await readPage(page)).get(name);
  if (text === undefined) throw new Error(`docs/connect/${page}.md has no block ${name}`);
  return JSON.parse(fillIn(text, values));
}

/** Runs the commands of a page's block, each a line that begins with `npm run kindred -- `, and returns their answers. */
export async function runCommands(
  { command }: Pick<Kindred, 'command'>,
  page: string,
  name: string,
  values: Record<string, string>,
): Promise<unknown[]> {
  const lines = fillIn((await readPage(page)).get(name) ?? '', values)
    .trim()
    .split('\n');
  const answers: unknown[] = [];
  for (const line of lines) {
    const [, args] = /^npm run kindred -- (.+)$/.exec(line) ?? [];
    if (!args) throw new Error(`docs/connect/${page}.md: ${name} has no command in "${line}"`);
    answers.push(await command(args.split(' ')));
  }
  return answers;
}

function fillIn(text: string, values: Record<string, string>): string {
  return Object.entries(values).reduce((filled, [from, to]) => filled.replaceAll(from, to), text);
}
