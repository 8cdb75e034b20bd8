// The OpenAPI document read by the tools of others: two linters, the regular expressions of Go and Python, and Schemathesis, which
// makes requests from it. What the document cannot say stands in callers.py and schemathesis.toml, each with its reason.
import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { routes } from '../../../src/app.ts';
import { openApiDocument } from '../../../src/http/api/openapi/document.ts';
import { useKindred } from '../harness/kindred.ts';
import { runToEnd } from '../harness/programs.ts';
import { npmTool, pythonOf, pythonTool, testWith, toolOf } from '../harness/tools.ts';
import { rulesInWords } from './rules_in_words.ts';

const from = import.meta.dirname;
const document = openApiDocument('https://id.kindred.test', routes);

const testLint = testWith(npmTool(from));

testLint('redocly and spectral have nothing to say about the OpenAPI document', async (t, folder) => {
  const file = join(folder, 'openapi.json');
  await writeFile(file, JSON.stringify(document, null, 1));
  const lint = async (program: string, args: string[]) =>
    await runToEnd(join(folder, 'node_modules/.bin', program), args, {
      cwd: folder,
      // No look at the registry for a newer version, and no report to the maker.
      env: { REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true', REDOCLY_TELEMETRY: 'off' },
    });
  await lint('redocly', ['lint', '--config', join(from, 'redocly.yaml'), file]);
  t.regex(
    await lint('spectral', ['lint', '--fail-severity=hint', '--ruleset', join(from, 'spectral.yaml'), file]),
    /No results/,
  );
});

/** The patterns of the document, which JavaScript compiles in `npm test`. */
function patternsOf(part: unknown): string[] {
  if (typeof part !== 'object' || part === null) return [];
  return Object.entries(part).flatMap(([name, inner]) =>
    name === 'pattern' && typeof inner === 'string' ? [inner] : patternsOf(inner),
  );
}

/** Runs a program with the patterns as a JSON array on its input; returns what it says on errors, nothing if all compile. */
function compile(program: string, args: string[]): string {
  const input = JSON.stringify([...new Set(patternsOf(document))]);
  const { status, stderr } = spawnSync(program, args, { input, encoding: 'utf8' });
  return status === 0 ? '' : `${program}: ${stderr}`;
}

const go = toolOf({
  from,
  manifests: ['go.mod', 'patterns.go'],
  needs: ['go'],
  async install(cwd) {
    await mkdir(join(cwd, 'bin'));
    await runToEnd('go', ['build', '-o', 'bin/patterns', '.'], { cwd });
  },
});

testWith(go)('Go compiles every pattern of the OpenAPI document', async (t, folder) => {
  t.is(compile(join(folder, 'bin/patterns'), []), '');
});

const python = pythonTool(from);
const testPython = testWith(python);

testPython('Python compiles every pattern of the OpenAPI document', async (t, folder) => {
  const script = 'import json, re, sys; [re.compile(one) for one in json.load(sys.stdin)]';
  t.is(compile(pythonOf(folder), ['-c', script]), '');
});

// Limits would answer the later requests of a tool that makes thousands; only development may be without.
const getKindred = useKindred({
  NODE_ENV: 'development',
  RATE_LIMITS: 'off',
  REGISTRATION: 'open',
  SIGN_UP: 'open',
  SIGNING_ALG: 'ES256',
});

/** Logs in as the caller would, and lets Schemathesis make requests; returns how many it made. */
async function runSchemathesis(folder: string, caller: string, args: string[]): Promise<number> {
  const { issuer, trust, createUser, createClient } = await getKindred();
  const isAdmin = caller === 'admin';
  const person = await createUser(isAdmin ? ['--role', 'admin'] : []);
  const scope = isAdmin ? 'openid account admin' : 'openid account';
  const { client_id } = await createClient({
    client_name: 'Schemathesis',
    first_party: true,
    token_endpoint_auth_method: 'none',
    scope,
  });
  const env = {
    ...trust,
    ISSUER: issuer,
    CALLER: caller,
    SCOPE: scope,
    CLIENT_ID: client_id,
    USER_ID: person.id,
    // The username changes in these requests.
    USERNAME: person.email,
    PASSWORD: person.password,
    RULES_IN_WORDS: JSON.stringify(rulesInWords(routes)),
    PYTHONPATH: from,
    PYTHONDONTWRITEBYTECODE: '1',
  };
  const config = ['--config-file', join(from, 'schemathesis.toml')];
  const said = await runToEnd(
    join(folder, 'venv/bin/schemathesis'),
    [...config, 'run', `${issuer}/api/openapi.json`, ...args],
    { cwd: folder, env },
  );
  return Number(/(\d+) generated, \1 passed/.exec(said)?.[1]);
}

testPython(
  'Schemathesis finds nothing in 5,000 requests of an administrator, a user and a caller without a token',
  async (t, folder) => {
    t.true(rulesInWords(routes).includes('must not show a member twice'));
    // Without the scope every administrative path answers alike, before it looks at the request.
    const own = ['--exclude-path-regex', '^/api/admin'];
    const made = [
      await runSchemathesis(folder, 'admin', []),
      await runSchemathesis(folder, 'user', own),
      await runSchemathesis(folder, 'anonymous', own),
    ];
    t.log(made.join(', '));
    t.true(made.reduce((sum, one) => sum + one) >= 5_000, made.join(', '));
  },
);
