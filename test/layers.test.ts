import test from 'ava';
import { circleProblems, folderOf, outerFolderOf } from './helpers/structure/circles.ts';
import { layerProblems } from './helpers/structure/layers.ts';
import { readSources } from './helpers/structure/sources.ts';

test('imports point down only, and ctx, process.env and the engine stay where they belong', async (t) => {
  const sources = [...(await readSources('src')), ...(await readSources('config'))];
  t.true(sources.some(({ path }) => path === 'src/core/store/db.ts'));
  t.deepEqual(layerProblems(sources), []);
});

test('no circle of imports joins folders of src, types included', async (t) => {
  const sources = await readSources('src');
  t.deepEqual(circleProblems(sources, folderOf), []);
  t.deepEqual(circleProblems(sources, outerFolderOf), []);
});

test('no circle of imports joins folders or files of the bench, types included', async (t) => {
  const sources = await readSources('bench');
  t.deepEqual(circleProblems(sources, folderOf), []);
  t.deepEqual(
    circleProblems(sources, (path) => path),
    [],
  );
});

const refused: [path: string, text: string, problem: string][] = [
  ['src/lib/x.ts', "import { a } from '../core/store/db.ts';", 'lib may not import src/core/store/db.ts'],
  ['src/lib/x.ts', "export * from '../core/store/db.ts';", 'lib may not import src/core/store/db.ts'],
  ['src/core/users/x.ts', "import '../../http/routes.ts';", 'core may not import src/http/routes.ts'],
  [
    'src/core/users/x.ts',
    "import {\n  a,\n  b as c,\n} from '../../oidc/provider.ts';",
    'core may not import src/oidc/provider.ts',
  ],
  [
    'src/core/users/x.ts',
    "import type { A } from '../../http/routes.ts';",
    'core may not import src/http/routes.ts',
  ],
  [
    'src/core/users/x.ts',
    "const a = await import('../../http/routes.ts');",
    'core may not import src/http/routes.ts',
  ],
  ['src/core/users/x.ts', "import a, { b } from '../../app.ts';", 'core may not import src/app.ts'],
  [
    'src/core/passwords/formats/x.ts',
    "import { a } from '../../../pages/page.ts';",
    'core may not import src/pages/page.ts',
  ],
  ['src/http/x.ts', "import { a } from '../oidc/provider.ts';", 'http may not import src/oidc/provider.ts'],
  ['src/http/x.ts', "import { a } from '../token/refresh.ts';", 'http may not import src/token/refresh.ts'],
  ['src/oidc/x.ts', "import { a } from '../http/guard.ts';", 'oidc may not import src/http/guard.ts'],
  ['src/token/x.ts', "import type { A } from '../oidc/x.ts';", 'token may not import src/oidc/x.ts'],
  ['src/token/x.ts', "import { a } from '../http/guard.ts';", 'token may not import src/http/guard.ts'],
  ['src/http/x.ts', "import { a } from '../server.ts';", 'http may not import src/server.ts'],
  ['src/app.ts', "import { a } from './server.ts';", 'app.ts may not import src/server.ts'],
  ['src/app.ts', "import { a } from './jobs.ts';", 'app.ts may not import src/jobs.ts'],
  ['src/app.ts', "import { a } from './process/x.ts';", 'app.ts may not import src/process/x.ts'],
  ['src/jobs.ts', "import { a } from './oidc/x.ts';", 'jobs.ts may not import src/oidc/x.ts'],
  ['src/process/x.ts', "import { a } from '../server.ts';", 'process may not import src/server.ts'],
  ['src/process/x.ts', "import { a } from '../demo/x.ts';", 'process may not import src/demo/x.ts'],
  ['src/cli/x.ts', "import { a } from '../cli.ts';", 'cli may not import src/cli.ts'],
  ['src/cli/x.ts', "import { a } from '../demo/x.ts';", 'cli may not import src/demo/x.ts'],
  ['src/server.ts', "import { a } from './cli/x.ts';", 'server.ts may not import src/cli/x.ts'],
  ['src/server.ts', "import { a } from './demo/x.ts';", 'server.ts may not import src/demo/x.ts'],
  ['src/operations.ts', "import { a } from './oidc/x.ts';", 'operations.ts may not import src/oidc/x.ts'],
  [
    'src/core/access_tokens/x.ts',
    "import { a } from '../passwords/x.ts';",
    inCore('access_tokens', 'passwords'),
  ],
  ['src/core/users/x.ts', "import { a } from '../audit/x.ts';", inCore('users', 'audit')],
  [
    'src/pages/x.ts',
    "import { a } from '../core/users/users.ts';",
    'pages may not import src/core/users/users.ts',
  ],
  ['src/core/users/x.ts', "import { a } from '../../../config/x.ts';", 'core may not import config/x.ts'],
  [
    'src/core/users/x.ts',
    "import { type A } from '../../../config/x.ts';",
    'core may not import config/x.ts',
  ],
  ['src/core/users/x.ts', "import { a } from '../../../test/x.ts';", 'core may not import test/x.ts'],
  ['config/x.ts', "import { a } from '../src/core/users/x.ts';", 'config may not import src/core/users/x.ts'],
  ['src/lib/x.ts', "import type { A } from '../../config/x.ts';", 'lib may not import config/x.ts'],
  ['src/http/x.ts', "import type { Knex } from 'knex';", 'knex belongs in core'],
  ['src/http/x.ts', "import 'knex/types/tables.js';", 'knex/types/tables.js belongs in core'],
  ['src/lib/x.ts', 'import pg from "pg";', 'pg belongs in core'],
  ['src/core/users/x.ts', "import { errors } from 'oidc-provider';", 'oidc-provider belongs in oidc'],
  [
    'src/app.ts',
    "import type { A } from 'oidc-provider/lib/x.js';",
    'oidc-provider/lib/x.js belongs in oidc',
  ],
  ['src/core/users/x.ts', 'export function a(ctx: Context) {}', 'ctx belongs in http, oidc, token, app.ts'],
  ['src/server.ts', 'const port = process.env.PORT;', 'process.env belongs in config'],
  ['src/core/users/x.ts', "const port = process['env'];", 'process.env belongs in config'],
  ['src/core/users/x.ts', "import { env } from 'node:process';", 'process.env belongs in config'],
  ['src/core/store/x.ts', "import { a } from '../audit/x.ts';", inCore('store', 'audit')],
  ['src/core/audit/x.ts', "import type { A } from '../users/x.ts';", inCore('audit', 'users')],
  [
    'src/core/engine_records/x.ts',
    "import { a } from '../clients/x.ts';",
    inCore('engine_records', 'clients'),
  ],
  ['src/core/keys/x.ts', "import { a } from '../clients/x.ts';", inCore('keys', 'clients')],
  ['src/core/clients/x.ts', "import { a } from '../users/x.ts';", inCore('clients', 'users')],
  ['src/core/users/x.ts', "import { a } from '../sessions/x.ts';", inCore('users', 'sessions')],
  [
    'src/core/sessions/x.ts',
    "import { a } from '../access_tokens/x.ts';",
    inCore('sessions', 'access_tokens'),
  ],
  ['src/core/sessions/x.ts', "import { a } from '../actions/x.ts';", inCore('sessions', 'actions')],
  ['src/core/actions/x.ts', "import { a } from '../operations/x.ts';", inCore('actions', 'operations')],
  ['src/core/operations/x.ts', "import { a } from '../actions/x.ts';", inCore('operations', 'actions')],
  [
    'src/core/clients/x.ts',
    "import type { Deps } from '../deps.ts';",
    'core/clients may not import src/core/deps.ts',
  ],
  ['src/core/deps.ts', "import { a } from './actions/x.ts';", inCore('deps.ts', 'actions')],
];

function inCore(from: string, to: string): string {
  return `core/${from} may not import src/core/${to}/x.ts`;
}

for (const [path, text, problem] of refused) {
  test(`${path} may not say: ${text.replaceAll(/\s+/g, ' ')}`, (t) => {
    const found = layerProblems([{ path, text: `const before = 1;\n${text}\n` }]);
    t.deepEqual(found, [`${path}:2: ${problem}`]);
  });
}

test('a new file directly in src needs a place among the layers', (t) => {
  t.deepEqual(layerProblems([{ path: 'src/x.ts', text: '' }]), ['src/x.ts:1: has no place among the layers']);
});

test('imports that point down, and comments, are allowed', (t) => {
  const allowed: [string, string][] = [
    ['src/server.ts', "import { loadConfig } from '../config/index.ts';\nimport { a } from './app.ts';"],
    ['src/cli.ts', "import { a } from './core/users/users.ts';\nimport { b } from './http/guard.ts';"],
    ['src/process/x.ts', "import { a } from '../operations.ts';\nimport { b } from './y.ts';"],
    ['src/demo.ts', "import { a } from './process/x.ts';\nimport { b } from './demo/x.ts';"],
    [
      'src/app.ts',
      "import { a } from './oidc/provider.ts';\nimport { b } from './http/api.ts';\nuse((ctx) => ctx);",
    ],
    [
      'src/http/x.ts',
      "import { a } from '../pages/page.ts';\nimport { b } from './guard.ts';\nconst ip = ctx.ip;",
    ],
    [
      'src/oidc/x.ts',
      "import { errors } from 'oidc-provider';\nimport { a } from '../core/deps.ts';\nimport { b } from '../token/x.ts';",
    ],
    [
      'src/core/users/x.ts',
      "import { a } from '../../lib/ids.ts';\nimport type { Config } from '../../../config/index.ts';\nimport pg from 'pg';",
    ],
    ['src/core/actions/x.ts', "import { a } from '../deps.ts';\nimport { b } from '../sessions/x.ts';"],
    ['src/core/sessions/x.ts', "import { a } from '../users/x.ts';\nimport { b } from '../store/x.ts';"],
    [
      'src/lib/x.ts',
      "import info from '../../package.json' with { type: 'json' };\nimport { z } from 'zod';",
    ],
    ['src/lib/x.ts', "// ctx and process.env\n/* import '../core/db.ts' */\nconst any = '*/*';"],
    ['config/x.ts', "import { a } from '../src/lib/ids.ts';\nconst env = process.env;"],
  ];
  t.deepEqual(layerProblems(allowed.map(([path, text]) => ({ path, text }))), []);
});

test('a circle over three folders is found, one line for each step, types included', (t) => {
  const sources = [
    { path: 'src/core/a/x.ts', text: "import { b } from '../b/x.ts';" },
    { path: 'src/core/b/x.ts', text: "const one = 1;\nimport type { C } from '../c/y.ts';" },
    { path: 'src/core/c/x.ts', text: "export * from '../a/x.ts';" },
    { path: 'src/core/c/y.ts', text: "import { x } from './x.ts';" },
    { path: 'src/core/d/x.ts', text: "import { a } from '../a/x.ts';" },
  ];
  t.deepEqual(circleProblems(sources, folderOf), [
    'src/core/a -> src/core/b -> src/core/c -> src/core/a (src/core/a/x.ts:1, src/core/b/x.ts:2, src/core/c/x.ts:1)',
  ]);
  t.deepEqual(circleProblems(sources.slice(0, 2), folderOf), []);
});

test('folders that hold no circle of their own may still be one circle of layers', (t) => {
  const sources = [
    { path: 'src/oidc/models/x.ts', text: "import { a } from '../../token/x.ts';" },
    { path: 'src/token/x.ts', text: "import { a } from '../oidc/pages/x.ts';" },
    { path: 'src/oidc/pages/x.ts', text: '' },
  ];
  t.deepEqual(circleProblems(sources, folderOf), []);
  t.deepEqual(circleProblems(sources, outerFolderOf), [
    'src/oidc -> src/token -> src/oidc (src/oidc/models/x.ts:1, src/token/x.ts:1)',
  ]);
});

test('files directly in src are nodes of their own', (t) => {
  const sources = [
    { path: 'src/process/x.ts', text: "import { a } from '../server.ts';" },
    { path: 'src/server.ts', text: "import { a } from './process/x.ts';\nimport { b } from './lib/x.ts';" },
    { path: 'src/app.ts', text: "import { a } from './lib/x.ts';" },
    { path: 'src/lib/x.ts', text: '' },
  ];
  t.deepEqual(circleProblems(sources, folderOf), [
    'src/process -> src/server.ts -> src/process (src/process/x.ts:1, src/server.ts:1)',
  ]);
  t.deepEqual(circleProblems(sources.slice(1), folderOf), []);
});
