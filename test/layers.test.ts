import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { layerProblems, type Source } from './helpers/layers.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

async function readSources(folder: string): Promise<Source[]> {
  const names = await readdir(join(root, folder), { recursive: true });
  const paths = names.filter((name) => name.endsWith('.ts')).map((name) => `${folder}/${name}`);
  return await Promise.all(
    paths.map(async (path) => ({ path, text: await readFile(join(root, path), 'utf8') })),
  );
}

test('arrows point down only, and SQL, ctx, process.env and the engine stay where they belong', async (t) => {
  const sources = [...(await readSources('src')), ...(await readSources('config'))];
  t.true(sources.some(({ path }) => path === 'src/core/store/db.ts'));
  t.deepEqual(layerProblems(sources), []);
});

const refused: [path: string, text: string, problem: string][] = [
  ['src/lib/x.ts', "import { a } from '../core/db.ts';", 'lib may not import src/core/db.ts'],
  ['src/lib/x.ts', "export * from '../core/db.ts';", 'lib may not import src/core/db.ts'],
  ['src/core/x.ts', "import '../http/routes.ts';", 'core may not import src/http/routes.ts'],
  [
    'src/core/x.ts',
    "import {\n  a,\n  b as c,\n} from '../oidc/provider.ts';",
    'core may not import src/oidc/provider.ts',
  ],
  ['src/core/x.ts', "import type { A } from '../http/routes.ts';", 'core may not import src/http/routes.ts'],
  ['src/core/x.ts', "const a = await import('../http/routes.ts');", 'core may not import src/http/routes.ts'],
  ['src/core/x.ts', "import a, { b } from '../app.ts';", 'core may not import src/app.ts'],
  ['src/core/deep/x.ts', "import { a } from '../../pages/page.ts';", 'core may not import src/pages/page.ts'],
  ['src/http/x.ts', "import { a } from '../oidc/provider.ts';", 'http may not import src/oidc/provider.ts'],
  ['src/oidc/x.ts', "import { a } from '../http/guard.ts';", 'oidc may not import src/http/guard.ts'],
  ['src/http/x.ts', "import { a } from '../server.ts';", 'http may not import src/server.ts'],
  ['src/app.ts', "import { a } from './server.ts';", 'app may not import src/server.ts'],
  ['src/pages/x.ts', "import { a } from '../core/users.ts';", 'pages may not import src/core/users.ts'],
  [
    'src/core/x.ts',
    "import { loadConfig } from '../../config/index.ts';",
    'core may not import config/index.ts',
  ],
  [
    'src/core/x.ts',
    "import { type Config } from '../../config/index.ts';",
    'core may not import config/index.ts',
  ],
  [
    'src/core/x.ts',
    "import { a } from '../../test/helpers/stores.ts';",
    'core may not import test/helpers/stores.ts',
  ],
  ['config/x.ts', "import { a } from '../src/core/users.ts';", 'config may not import src/core/users.ts'],
  ['src/lib/x.ts', "import type { A } from '../../config/index.ts';", 'lib may not import config/index.ts'],
  ['src/http/x.ts', "import type { Knex } from 'knex';", 'knex belongs in core'],
  ['src/lib/x.ts', 'import pg from "pg";', 'pg belongs in core'],
  ['src/core/x.ts', "import { errors } from 'oidc-provider';", 'oidc-provider belongs in oidc'],
  ['src/app.ts', "import type { A } from 'oidc-provider/lib/x.js';", 'oidc-provider belongs in oidc'],
  ['src/core/x.ts', 'export function a(ctx: Context) {}', 'ctx belongs in http, oidc, token, app'],
  ['src/server.ts', 'const port = process.env.PORT;', 'process.env belongs in config'],
  ['src/core/x.ts', "const port = process['env'];", 'process.env belongs in config'],
  ['src/core/x.ts', "import { env } from 'node:process';", 'process.env belongs in config'],
  ['src/http/x.ts', "const all = await db('users');", 'SQL belongs in core'],
  ['src/http/x.ts', "await tx('users').update(change);", 'SQL belongs in core'],
  ['src/http/x.ts', "const one = await db<User>('users').where({ id }).first();", 'SQL belongs in core'],
  ['src/cli/x.ts', "await deps.db<Pick<User, 'id'>>('users').first();", 'SQL belongs in core'],
  ['src/oidc/x.ts', "await scratch('users');", 'SQL belongs in core'],
  ['src/oidc/x.ts', 'await db.raw(text);', 'SQL belongs in core'],
  ['src/server.ts', 'const q = `\n  select id\n    from users`;', 'SQL belongs in core'],
  ['src/cli.ts', "const q = 'delete from users';", 'SQL belongs in core'],
];

for (const [path, text, problem] of refused) {
  test(`${path} may not say: ${text.replaceAll(/\s+/g, ' ')}`, (t) => {
    t.deepEqual(layerProblems([{ path, text: `const before = 1;\n${text}\n` }]), [`${path}: ${problem}`]);
  });
}

test('what points down, or only talks, is allowed', (t) => {
  const allowed: [string, string][] = [
    ['src/server.ts', "import { loadConfig } from '../config/index.ts';\nimport { a } from './app.ts';"],
    ['src/cli.ts', "import { a } from './core/users.ts';\nimport { b } from './http/guard.ts';"],
    [
      'src/app.ts',
      "import { a } from './oidc/provider.ts';\nimport { b } from './http/api.ts';\nuse((ctx) => ctx);",
    ],
    [
      'src/http/x.ts',
      "import { a } from '../pages/page.ts';\nimport { b } from './guard.ts';\nconst ip = ctx.ip;",
    ],
    ['src/oidc/x.ts', "import { errors } from 'oidc-provider';\nimport { a } from '../core/users.ts';"],
    [
      'src/core/x.ts',
      "import { a } from '../lib/ids.ts';\nimport type { Config } from '../../config/index.ts';",
    ],
    ['src/core/x.ts', "import pg from 'pg';\nawait db('users');\nconst q = 'select 1 from users';"],
    [
      'src/lib/x.ts',
      "import info from '../../package.json' with { type: 'json' };\nimport { z } from 'zod';",
    ],
    [
      'src/lib/x.ts',
      "// ctx and process.env\n/* import '../core/db.ts' */\nconst any = '*/*';\n/** db('users') */",
    ],
    ['src/http/x.ts', "const summary = 'Update my profile';\nconst other = 'Select a session';"],
    ['config/x.ts', "import { a } from '../src/lib/ids.ts';\nconst env = process.env;"],
  ];
  t.deepEqual(layerProblems(allowed.map(([path, text]) => ({ path, text }))), []);
});
