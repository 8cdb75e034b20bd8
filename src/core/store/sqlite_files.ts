// The files of a SQLite database are readable by their owner only, whatever the umask: they contain every digest and session.
import { chmodSync, closeSync, mkdirSync, openSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const others = 0o077;

/** Creates the file and the folders above it, if missing. SQLite gives its `-wal` and `-shm` files the mode of the file. */
export function createPrivateFile(file: string): void {
  if (file === ':memory:') return;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  closeSync(openSync(file, 'a', 0o600));
}

/**
 * Removes the permissions of group and others from the files of an existing database; returns the paths that changed. The
 * folder changes only when it holds nothing but files of Kindred.
 */
export function protectFiles(url: string): string[] {
  const file = url.slice('sqlite:'.length);
  if (!url.startsWith('sqlite:') || file === ':memory:') return [];
  const folder = dirname(file);
  const entries = namesIn(folder);
  const isOurs = (name: string) => name.startsWith(basename(file));
  const changed = entries.filter(isOurs).filter((name) => restrict(join(folder, name)));
  const isAlone = entries.every((name) => isOurs(name) || name === 'secret');
  if (entries.length > 0 && isAlone && restrict(folder)) changed.push(folder);
  return changed;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

// False where nothing has to change, and where the file belongs to another user, who alone can change it.
function restrict(path: string): boolean {
  try {
    const { mode } = statSync(path);
    if ((mode & others) === 0) return false;
    chmodSync(path, mode & 0o777 & ~others);
    return true;
  } catch {
    return false;
  }
}
