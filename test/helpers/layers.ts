// The rules of DESIGN.md section 2, told from the text of the sources alone: who imports whom, and which words stay where.
import { posix } from 'node:path';

export interface Source {
  /** From the root of the repository: `src/core/store/db.ts`. */
  path: string;
  text: string;
}

interface Import {
  target: string;
  isType: boolean;
}

/** What each layer may import of ours; `top` is server, cli and whatever else stands directly in src/. */
const mayImport: Record<string, string[]> = {
  top: ['top', 'app', 'http', 'oidc', 'token', 'pages', 'core', 'lib', 'config'],
  app: ['http', 'oidc', 'token', 'pages', 'core', 'lib', 'config'],
  http: ['http', 'pages', 'core', 'lib'],
  oidc: ['oidc', 'token', 'pages', 'core', 'lib'],
  token: ['token', 'oidc', 'core', 'lib'],
  core: ['core', 'lib'],
  pages: ['pages', 'lib'],
  lib: ['lib'],
  config: ['config', 'lib'],
};

// The settings are plain values, handed down: a layer may know their shape, but not read them.
const mayTypeImportConfig = ['http', 'oidc', 'token', 'core'];

const packageHomes: Record<string, string[]> = {
  'oidc-provider': ['oidc'],
  knex: ['core'],
  pg: ['core'],
  sqlite3: ['core'],
};

const wordHomes: { word: string; pattern: RegExp; homes: string[] }[] = [
  { word: 'ctx', pattern: /\bctx\b/, homes: ['http', 'oidc', 'token', 'app'] },
  {
    word: 'process.env',
    pattern: /\bprocess\s*(\?\.|\.)\s*env\b|\bprocess\s*\[|\benv\b[^;]*from\s+['"](node:)?process['"]/,
    homes: ['config'],
  },
  {
    word: 'SQL',
    pattern:
      /\.raw\(|\b(db|knex|scratch|trx|tx)\s*(<[^()]*>)?\(\s*['"`]|['"`]\s*(select\b[^'"`]+\bfrom|insert\s+into|update\b[^'"`]+\bset|delete\s+from|with\s+\w+\s+as)\b/i,
    homes: ['core'],
  },
];

/** One line for every rule that a source breaks. */
export function layerProblems(sources: Source[]): string[] {
  return sources.flatMap(({ path, text }) => {
    const code = withoutComments(text);
    const layer = layerOf(path) ?? 'top';
    return [
      ...importsOf(code).flatMap((one) => importProblem(path, layer, one)),
      ...wordHomes
        .filter(({ pattern, homes }) => !homes.includes(layer) && pattern.test(code))
        .map(({ word, homes }) => `${path}: ${word} belongs in ${homes.join(', ')}`),
    ];
  });
}

function importProblem(path: string, layer: string, { target, isType }: Import): string[] {
  if (!target.startsWith('.')) return packageProblem(path, layer, target);
  const file = posix.join(posix.dirname(path), target);
  if (file === 'package.json') return [];
  const other = layerOf(file);
  if (other && mayImport[layer]?.includes(other)) return [];
  if (other === 'config' && isType && mayTypeImportConfig.includes(layer)) return [];
  return [`${path}: ${layer} may not import ${file}`];
}

function packageProblem(path: string, layer: string, target: string): string[] {
  const name = target.split('/')[0] ?? '';
  const homes = packageHomes[name];
  return homes && !homes.includes(layer) ? [`${path}: ${name} belongs in ${homes.join(', ')}`] : [];
}

// The commands and the demo are too long for one file each; their folders stand where their files do.
const topFolders = ['cli', 'demo', 'process'];

function layerOf(path: string): string | null {
  const [root, folder = '', ...rest] = path.split('/');
  if (root === 'config') return 'config';
  if (root !== 'src') return null;
  if (rest.length > 0) return topFolders.includes(folder) ? 'top' : folder;
  return folder === 'app.ts' ? 'app' : 'top';
}

function importsOf(code: string): Import[] {
  const statements = code.matchAll(
    /\b(?:import|export)\s+(type\s+)?(?:[\w$*{}\s,]+?\bfrom\s*)?['"]([^'"]+)['"]/g,
  );
  const calls = code.matchAll(/\b(?:import|require)\(\s*['"`]([^'"`]+)['"`]/g);
  return [
    ...statements.map(([, type, target = '']) => ({ target, isType: type !== undefined })),
    ...calls.map(([, target = '']) => ({ target, isType: false })),
  ];
}

// A comment may name whatever it likes. Blank before it, or `'*/*'` in a string would begin one.
function withoutComments(text: string): string {
  return text.replaceAll(/(^|\s)\/\*[\s\S]*?\*\//g, '$1').replaceAll(/(^|\s)\/\/.*$/gm, '$1');
}
