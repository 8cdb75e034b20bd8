// The OpenAPI document read by the tools of others: two linters, and the regular expressions of Go and Python.
import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { routes } from '../../../src/app.ts';
import { openApiDocument } from '../../../src/http/api/openapi/document.ts';
import { runToEnd } from '../harness/programs.ts';
import { npmTool, testWith, toolOf } from '../harness/tools.ts';

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

const python = toolOf({ from, manifests: ['requirements.txt'], needs: ['python3'], install: async () => {} });

testWith(python)('Python compiles every pattern of the OpenAPI document', async (t) => {
  t.is(
    compile('python3', ['-c', 'import json, re, sys; [re.compile(one) for one in json.load(sys.stdin)]']),
    '',
  );
});
