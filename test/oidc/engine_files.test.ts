// The files of the engine that we import beside its entry: which they are, that the engine has them, and that its version is pinned, so
// that an update of the engine is a decision.
import { readFile } from 'node:fs/promises';
import test from 'ava';

const root = new URL('../../', import.meta.url);

// What each file must export, by its type.
const expected: Record<string, Record<string, string>> = {
  'helpers/als.js': { default: 'object' },
  'helpers/re_render_errors.js': { AlreadyUsedError: 'function' },
  'shared/assemble_params.js': { default: 'function' },
  'shared/client_auth.js': { default: 'object', getClientAuthParams: 'function' },
  'shared/cors.js': { default: 'function' },
  'shared/error_handler.js': { default: 'function' },
  'shared/reject_dupes.js': { default: 'function' },
  'shared/selective_body.js': { urlencoded: 'function' },
};

for (const [file, exported] of Object.entries(expected)) {
  test(`the engine still has lib/${file}`, async (t) => {
    const found: Record<string, unknown> = await import(`oidc-provider/lib/${file}`).catch(() => ({}));
    const types = Object.fromEntries(Object.keys(exported).map((name) => [name, typeof found[name]]));
    const why = `the engine changed lib/${file}, which Kindred imports (src/oidc/engine_files.d.ts): read its new version first`;
    t.deepEqual(types, exported, why);
  });
}

test('every file of the engine that is declared is tested here', async (t) => {
  const declared = await readFile(new URL('src/oidc/engine_files.d.ts', root), 'utf8');
  const files = [...declared.matchAll(/'oidc-provider\/lib\/([^']+)'/g)].map(([, file]) => file);
  t.deepEqual(files.sort(), Object.keys(expected).sort());
});

test('the engine authenticates clients in three steps, the last of which is the authentication itself', async (t) => {
  const { default: steps } = await import('oidc-provider/lib/shared/client_auth.js');
  t.deepEqual(
    steps.map((step) => step.name),
    ['rejectClientAuthDupes', 'setWWWAuthenticateHeader', 'authenticateClient'],
  );
});

test('the engine is pinned to the patch', async (t) => {
  const { dependencies } = JSON.parse(await readFile(new URL('package.json', root), 'utf8'));
  const lock = JSON.parse(await readFile(new URL('package-lock.json', root), 'utf8'));
  t.regex(dependencies['oidc-provider'], /^\d+\.\d+\.\d+$/);
  t.is(lock.packages['node_modules/oidc-provider'].version, dependencies['oidc-provider']);
});
