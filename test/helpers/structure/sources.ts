// The sources of the repository as the tests of its structure read them: text, code without comments, syntax tree.
import { readdir, readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { extname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Program, parse } from 'acorn';

export interface Source {
  /** From the root of the repository: `src/core/store/db.ts`. */
  path: string;
  text: string;
}

export interface Import {
  /** A path from the root of the repository, or the name of a package. */
  target: string;
  isPackage: boolean;
  isType: boolean;
  line: number;
}

export const root = fileURLToPath(new URL('../../..', import.meta.url));

const skipped = ['node_modules', 'results', 'data'];

/** Every file below a folder of the repository whose name ends in one of these; none where the folder is missing. */
export async function readSources(folder: string, endings = ['.ts']): Promise<Source[]> {
  const names = await readdir(join(root, folder), { recursive: true }).catch(() => []);
  const paths = names
    .filter(
      (name) => endings.includes(extname(name)) && !skipped.some((one) => name.split('/').includes(one)),
    )
    .map((name) => posix.join(folder, name));
  return await Promise.all(
    paths.sort().map(async (path) => ({ path, text: await readFile(join(root, path), 'utf8') })),
  );
}

/** The tables that the migrations create. */
export async function readTableNames(): Promise<string[]> {
  const migrations = await readSources('migrations');
  const created = migrations.flatMap(({ text }) => [
    ...text.matchAll(/\bcreateTable\(\s*'(\w+)'|\bcreate table (?:if not exists )?(\w+)/gi),
  ]);
  return [...new Set(created.map(([, first, second]) => first ?? second ?? ''))];
}

/** The code alone, each character in its place. A comment needs a blank before it, or `'*\/*'` in a string would begin one. */
export function withoutComments(text: string): string {
  const blank = (comment: string): string => comment.replaceAll(/\S/g, ' ');
  return text.replaceAll(/(?<=^|\s)\/\*[\s\S]*?\*\//g, blank).replaceAll(/(?<=^|\s)\/\/.*$/gm, blank);
}

/** The syntax tree of a file without its types; lines and offsets are those of the file. */
export function parseSource({ path, text }: Source): Program {
  const script = path.endsWith('.ts') ? stripTypes(path, text) : text;
  return parse(script, {
    ecmaVersion: 'latest',
    sourceType: path.endsWith('.cjs') ? 'script' : 'module',
    locations: true,
    allowHashBang: true,
  });
}

/** Everything that a file imports or exports from elsewhere, types included. */
export function importsOf({ path, text }: Source): Import[] {
  const code = withoutComments(text);
  const statements = code.matchAll(
    /\b(?:import|export)\s+(type\s+)?(?:[\w$*{}\s,]+?\bfrom\s*)?['"]([^'"]+)['"]/g,
  );
  const calls = code.matchAll(/\b(?:import|require)\(()\s*['"`]([^'"`]+)['"`]/g);
  return [...statements, ...calls].map(({ 1: type, 2: target = '', index }) => {
    const isPackage = !target.startsWith('.');
    return {
      target: isPackage ? target : posix.join(posix.dirname(path), target),
      isPackage,
      isType: type?.startsWith('type') ?? false,
      line: lineAt(code, index),
    };
  });
}

/** The number of the line, from 1, in which a character stands. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

function stripTypes(path: string, text: string): string {
  try {
    return stripTypeScriptTypes(text);
  } catch (error) {
    throw new Error(`${path} has syntax that Node does not strip`, { cause: error });
  }
}
