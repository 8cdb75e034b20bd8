// The secret that the server makes for itself in development, and the folder in which it keeps it.
import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The folder that holds what the server makes for itself: the SQLite file, and in development the secret. */
export function dataDirectory(databaseUrl: string): string {
  return databaseUrl.startsWith('sqlite:') ? dirname(databaseUrl.slice('sqlite:'.length)) : './data';
}

/**
 * The secret in the data folder, made if it is missing. The file is linked into place whole, so that two processes that
 * start at once agree on one secret and neither reads half of it.
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
