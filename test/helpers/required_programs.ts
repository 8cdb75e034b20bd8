// Tests that need a program that npm does not install. Where it is missing they are skipped, and the end of the run says why.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import test, { type ImplementationFn } from 'ava';

// Debian keeps servers here; only the administrator's PATH names these folders.
const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];

/** The path of the program, or null. */
export function findProgram(name: string): string | null {
  return folders.map((folder) => join(folder, name)).find((file) => existsSync(file)) ?? null;
}

/** `test`, or when `needed` is missing (null, false) `test.skip` with `why` in the title. */
export function testRequiring(needed: unknown, why: string) {
  return (title: string, body: ImplementationFn<[]>): void => {
    if (needed) test(title, body);
    else test.skip(`${title} (skipped: ${why})`, body);
  };
}
