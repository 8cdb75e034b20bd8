// The secret that the server creates for itself in development, and the data folder in which it is stored.
import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The folder of the files that the server creates: the SQLite file, and in development the secret. */
export function dataDirectory(databaseUrl: string): string {
  return databaseUrl.startsWith('sqlite:') ? dirname(databaseUrl.slice('sqlite:'.length)) : './data';
}

/**
 * Reads the secret in the data folder; creates it if it is missing. The complete file is linked into place, so that two
 * processes that start at once use the same secret and neither reads a partial file.
 */
export function readOrCreateSecret(databaseUrl: string): string {
  const file = join(dataDirectory(databaseUrl), 'secret');
  if (!existsSync(file)) {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const draft = `${file}.${process.pid}`;
    writeFileSync(draft, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600 });
    try {
      linkSync(draft, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      unlinkSync(draft);
    }
  }
  return readFileSync(file, 'utf8').trim();
}
