// Tests that need a program which npm does not bring. Where it is missing they are skipped, and the end of the run says why.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import test, { type ImplementationFn } from 'ava';

// Where Debian keeps servers; only the administrator's PATH names it.
const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];

/** Where the program is, or null. */
export function findProgram(name: string): string | null {
  return folders.map((folder) => join(folder, name)).find((file) => existsSync(file)) ?? null;
}

/** `test` for tests that need something: without it (null, false) they are skipped, their titles completed by `why`. */
export function testRequiring(needed: unknown, why: string) {
  return (title: string, body: ImplementationFn<[]>): void => {
    if (needed) test(title, body);
    else test.skip(`${title} (skipped: ${why})`, body);
  };
}
