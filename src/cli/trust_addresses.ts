// `trust-addresses`: the operator vouches for addresses that came from an older version or an import.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import {
  type ListedAddress,
  type TrustedBatch,
  trustAllAddresses,
  trustListed,
} from '../core/actions/trust_addresses.ts';
import { formatCount } from '../lib/format.ts';
import { splitLines } from '../lib/split_lines.ts';
import { byCommand, withDatabase } from './database.ts';
import { type Answer, CommandError } from './output.ts';

const longestLine = 1_024;
const batchSize = 500;
/** Lines with unknown addresses that are named; beyond that they are only counted. */
const mostNamed = 100;

/** `trust-addresses [--file <file>]`: exits with 1 if no user has an address of the file. */
export async function trustAddresses({ file }: { file?: string }): Promise<Answer> {
  if (file !== undefined) await requireFile(file);
  const total = await withDatabase(async (db) => {
    const sum = { trusted: 0, proved: 0, unknown: 0, unknown_lines: [] as number[] };
    for await (const batch of file === undefined ? trustAllAddresses(db, byCommand) : trustFile(db, file)) {
      sum.trusted += batch.trusted;
      sum.proved += batch.proved;
      sum.unknown += batch.unknown.length;
      sum.unknown_lines.push(...batch.unknown.slice(0, mostNamed - sum.unknown_lines.length));
    }
    return sum;
  });
  if (total.unknown > 0) process.exitCode = 1;
  const said = [
    `${formatCount(total.trusted)} ${total.trusted === 1 ? 'address counts' : 'addresses count'} as verified now`,
    ...(total.proved > 0 ? [`${formatCount(total.proved)} did before`] : []),
    ...(total.unknown > 0
      ? [
          `no user has the address on ${formatCount(total.unknown)} ${total.unknown === 1 ? 'line' : 'lines'}: ${total.unknown_lines.join(', ')}`,
        ]
      : []),
  ];
  return { data: total, text: said.join('; ') };
}

async function* trustFile(db: Parameters<typeof trustListed>[0], file: string): AsyncGenerator<TrustedBatch> {
  let batch: ListedAddress[] = [];
  for await (const { number, bytes } of splitLines(createReadStream(file), longestLine)) {
    const address = bytes?.toString('utf8').trim() ?? '\ufffd';
    if (address !== '') batch.push({ line: number, address });
    if (batch.length < batchSize) continue;
    yield await trustListed(db, byCommand, batch);
    batch = [];
  }
  if (batch.length > 0) yield await trustListed(db, byCommand, batch);
}

async function requireFile(file: string): Promise<void> {
  const found = await stat(file).catch(() => null);
  if (!found?.isFile()) throw new CommandError(`${file}: there is no such file`);
}
