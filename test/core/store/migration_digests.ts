// The digests of all migrations: one that has run somewhere is never edited again, since databases only remember its name.
// `node test/core/store/migration_digests.ts --add` adds those that are new; it changes none, and the file is not edited by hand.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = new URL('../../../migrations/', import.meta.url);
const file = fileURLToPath(new URL('migration_digests.json', import.meta.url));

/** SHA-256 of each migration by its name, as they are now. */
export function computeDigests(): Record<string, string> {
  const names = readdirSync(folder).toSorted();
  return Object.fromEntries(
    names.map((name) => [name, digestOf(readFileSync(new URL(name, folder), 'utf8'))]),
  );
}

/** The digest of a migration's text. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** As they were when they were added. */
export function readDigests(): Record<string, string> {
  return JSON.parse(readFileSync(file, 'utf8'));
}

if (import.meta.main && process.argv.includes('--add')) {
  const known = readDigests();
  const changed = Object.entries(computeDigests()).filter(
    ([name, digest]) => (known[name] ?? digest) !== digest,
  );
  if (changed.length > 0) throw new Error(`edited: ${changed.map(([name]) => name).join(', ')}`);
  writeFileSync(file, `${JSON.stringify({ ...computeDigests(), ...known }, null, 2)}\n`);
}
