// The layers of src/ and the floors of src/core: what each may import, and which packages and words stay where.
import { type Import, importsOf, lineAt, type Source, withoutComments } from './sources.ts';

const belowApp = ['http', 'oidc', 'token', 'mail', 'pages', 'core', 'lib', 'config'];
const belowProcess = ['app.ts', 'jobs.ts', 'operations.ts', ...belowApp];

/** What each layer may import of ours; a file directly in src/ is a layer of its own. */
const mayImport: Record<string, string[]> = {
  'server.ts': ['process', ...belowProcess],
  'cli.ts': ['cli', 'process', ...belowProcess],
  'demo.ts': ['demo', 'process', ...belowProcess],
  cli: ['process', ...belowProcess],
  demo: ['process', ...belowProcess],
  process: belowProcess,
  'operations.ts': ['jobs.ts', 'http', 'core', 'lib', 'config'],
  'app.ts': belowApp,
  'jobs.ts': ['core', 'lib', 'config'],
  http: ['pages', 'core', 'lib'],
  oidc: ['token', 'pages', 'core', 'lib'],
  token: ['core', 'lib'],
  mail: ['pages', 'core', 'lib'],
  core: ['lib'],
  pages: ['lib'],
  lib: [],
  config: ['lib'],
};

const topics = [
  'mail',
  'one_time_codes',
  'outbox',
  'users',
  'passwords',
  'clients',
  'keys',
  'limits',
  'engine_records',
  'audit',
  'store',
];
const everyTopic = ['statistics', 'sessions', 'access_tokens', ...topics];

/** What each folder of src/core, and each file directly in it, may import of the others. */
const mayImportInCore: Record<string, string[]> = {
  'tables.ts': everyTopic,
  'deps.ts': ['tables.ts', 'request_source.ts', ...everyTopic],
  actions: ['deps.ts', 'request_source.ts', ...everyTopic],
  operations: ['deps.ts', 'request_source.ts', ...everyTopic],
  statistics: ['sessions', 'users', 'audit', 'store'],
  access_tokens: ['sessions', 'users', 'clients', 'keys', 'engine_records', 'store'],
  sessions: [
    'request_source.ts',
    'mail',
    'outbox',
    'one_time_codes',
    'users',
    'clients',
    'engine_records',
    'audit',
    'store',
  ],
  mail: ['request_source.ts', 'outbox', 'one_time_codes', 'users', 'store'],
  one_time_codes: ['users', 'store'],
  outbox: ['store'],
  passwords: ['request_source.ts', 'users', 'limits', 'audit', 'store'],
  users: ['clients', 'store'],
  clients: ['request_source.ts', 'audit', 'store'],
  limits: ['store'],
  keys: ['store'],
  engine_records: ['request_source.ts', 'store'],
  audit: ['request_source.ts', 'store'],
  'request_source.ts': [],
  store: [],
};

// The settings are plain values, handed down: a layer may know their shape, but not read them.
const mayTypeImportConfig = ['http', 'oidc', 'token', 'mail', 'core'];

const packageHomes: Record<string, string[]> = {
  'oidc-provider': ['oidc'],
  knex: ['core'],
  pg: ['core'],
  sqlite3: ['core'],
};

const wordHomes: { word: string; pattern: RegExp; homes: string[] }[] = [
  { word: 'ctx', pattern: /\bctx\b/, homes: ['http', 'oidc', 'token', 'app.ts'] },
  {
    word: 'process.env',
    pattern: /\bprocess\s*(\?\.|\.)\s*env\b|\bprocess\s*\[|\benv\b[^;]*from\s+['"](node:)?process['"]/,
    homes: ['config'],
  },
];

/** One line for every import and word of src/ and config/ that is not where it belongs. */
export function layerProblems(sources: Source[]): string[] {
  return sources.flatMap((source) => {
    const layer = layerOf(source.path);
    if (layer === null || !mayImport[layer]) return [`${source.path}:1: has no place among the layers`];
    return [
      ...importsOf(source).flatMap((one) => importProblem(source.path, layer, one)),
      ...wordProblems(source, layer),
    ];
  });
}

/** The layer of a file: its folder below src/, the file itself directly in src/, or `config`; null elsewhere. */
export function layerOf(path: string): string | null {
  const [first, second = ''] = path.split('/');
  if (first === 'config') return 'config';
  return first === 'src' ? second : null;
}

function importProblem(path: string, layer: string, { target, isPackage, isType, line }: Import): string[] {
  const problem = (text: string): string[] => [`${path}:${line}: ${text}`];
  if (isPackage) {
    const homes = packageHomes[target.split('/')[0] ?? ''];
    return homes && !homes.includes(layer) ? problem(`${target} belongs in ${homes.join(', ')}`) : [];
  }
  const other = layerOf(target);
  if (target === 'package.json') return [];
  if (layer === 'core' && other === 'core') return coreProblem(path, target).flatMap(problem);
  if (other && (other === layer || mayImport[layer]?.includes(other))) return [];
  if (other === 'config' && isType && mayTypeImportConfig.includes(layer)) return [];
  return problem(`${layer} may not import ${target}`);
}

function coreProblem(path: string, target: string): string[] {
  const [from = '', to = ''] = [path, target].map((one) => one.split('/')[2]);
  if (from === to || mayImportInCore[from]?.includes(to)) return [];
  return [`core/${from} may not import ${target}`];
}

function wordProblems({ path, text }: Source, layer: string): string[] {
  const code = withoutComments(text);
  return wordHomes.flatMap(({ word, pattern, homes }) => {
    const at = homes.includes(layer) ? -1 : code.search(pattern);
    return at < 0 ? [] : [`${path}:${lineAt(code, at)}: ${word} belongs in ${homes.join(', ')}`];
  });
}
