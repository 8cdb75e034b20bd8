// An import as the command runs it, from lines of a test.
import { Readable } from 'node:stream';
import type { Knex } from 'knex';
import { type ImportedBatch, importUsers } from '../../src/core/actions/import_users.ts';
import { maxLineBytes } from '../../src/core/actions/imported_user.ts';
import { splitLines } from '../../src/lib/split_lines.ts';

/** Hashes of the test users' password in the formats of other systems. */
export const bcrypt = '$2b$04$tRfeBdhMJ2Gw1RUUncrYheVZsOvtAIBwBiz0HIkx2.SHh6MwreBiy';
export const pbkdf2 = 'pbkdf2_sha256$1000$seasalt$3xmXbyk2QpiyNcnoBbzRPwEBsYPTbDlRdtmLyBvQltA=';

export type Total = Omit<ImportedBatch, 'end'>;

/** A line: an object as JSON, or text as it is. */
export type Given = object | string | Buffer;

/** Imports the lines; returns the totals. */
export async function importAll(db: Knex, given: Given[]): Promise<Total> {
  const bytes = given.map((one) =>
    Buffer.isBuffer(one) ? one : Buffer.from(typeof one === 'string' ? one : JSON.stringify(one)),
  );
  const file = Buffer.concat(bytes.flatMap((one) => [one, Buffer.from('\n')]));
  const total: Total = { lines: 0, imported: 0, present: 0, refused: [] };
  for await (const batch of importUsers({ db }, splitLines(Readable.from([file]), maxLineBytes))) {
    total.lines += batch.lines;
    total.imported += batch.imported;
    total.present += batch.present;
    total.refused.push(...batch.refused);
  }
  return total;
}

/** The refused lines and their reasons. */
export async function reasonsOf(db: Knex, given: Given[]): Promise<[number, string][]> {
  return (await importAll(db, given)).refused.map(({ line, reason }) => [line, reason]);
}
