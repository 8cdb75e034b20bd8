// The files of a SQLite database are their owner's alone, whatever the umask: who reads them reads every digest and session.
import { chmodSync, closeSync, mkdirSync, openSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const others = 0o077;

/** Makes the file and the folders above it, if they are missing. SQLite gives its `-wal` and `-shm` the mode of the file. */
export function createPrivateFile(file: string): void {
  if (file === ':memory:') return;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  closeSync(openSync(file, 'a', 0o600));
}

/**
 * Takes from others what they may do with the files of a database that exists; returns what was changed. The folder
 * is changed only when nothing but ours lies in it.
 */
export function protectFiles(url: string): string[] {
  const file = url.slice('sqlite:'.length);
  if (!url.startsWith('sqlite:') || file === ':memory:') return [];
  const folder = dirname(file);
  const entries = namesIn(folder);
  const isOurs = (name: string) => name.startsWith(basename(file));
  const changed = entries.filter(isOurs).filter((name) => tighten(join(folder, name)));
  const isAlone = entries.every((name) => isOurs(name) || name === 'secret');
  if (entries.length > 0 && isAlone && tighten(folder)) changed.push(folder);
  return changed;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

// False where there is nothing to do, and where a file is somebody else's: that one is theirs to change.
function tighten(path: string): boolean {
  try {
    const { mode } = statSync(path);
    if ((mode & others) === 0) return false;
    chmodSync(path, mode & 0o777 & ~others);
    return true;
  } catch {
    return false;
  }
}
