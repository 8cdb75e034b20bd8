// `import-users`: imports the users of another system from a file of JSON lines (docs/accounts.md).
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ImportedBatch,
  type ImportTarget,
  importUsers as importAll,
} from '../core/actions/import_users.ts';
import '../core/tables.ts';
import { maxLineBytes, type RefusedLine } from '../core/actions/imported_user.ts';
import { openDatabase } from '../core/store/db.ts';
import { migrate } from '../core/store/migrate.ts';
import { splitLines } from '../lib/split_lines.ts';
import { withDatabase } from './database.ts';
import { type Answer, CommandError } from './output.ts';
import { startProgress } from './progress.ts';

interface Totals {
  lines: number;
  imported: number;
  present: number;
  refused: number;
}

/** `import-users <file>`: exits with 1 if a line was refused; all other lines are imported. */
export async function importUsers(
  file: string,
  { dryRun, trustAddresses = false }: { dryRun?: boolean; trustAddresses?: boolean },
): Promise<Answer> {
  const size = await sizeOf(file);
  const report = await openReport(`${file}.refused.jsonl`);
  const begin = performance.now();
  try {
    const totals = await withDatabase((db) =>
      dryRun
        ? withScratch((scratch) => run(file, size, { db, scratch, trustAddresses }, report))
        : run(file, size, { db, trustAddresses }, report),
    );
    if (totals.refused > 0) process.exitCode = 1;
    const seconds = Math.round((performance.now() - begin) / 100) / 10;
    const data = {
      ...totals,
      dry_run: dryRun === true,
      report: totals.refused > 0 ? report.file : null,
      seconds,
    };
    return { data, text: describe(data) };
  } finally {
    await report.close();
  }
}

async function run(file: string, size: number, target: ImportTarget, report: Report): Promise<Totals> {
  const totals: Totals = { lines: 0, imported: 0, present: 0, refused: 0 };
  const progress = startProgress(size);
  try {
    for await (const batch of importAll(target, splitLines(createReadStream(file), maxLineBytes))) {
      add(totals, batch);
      await report.write(batch.refused);
      progress.update(batch.end, `${count(totals.lines, 'line')}, ${totals.refused} refused`);
    }
  } finally {
    progress.finish();
  }
  return totals;
}

function add(totals: Totals, batch: ImportedBatch): void {
  totals.lines += batch.lines;
  totals.imported += batch.imported;
  totals.present += batch.present;
  totals.refused += batch.refused.length;
}

interface Report {
  file: string;
  write: (lines: RefusedLine[]) => Promise<void>;
  close: () => Promise<void>;
}

// This run checks every line again, so the report of an earlier run is removed. Without refusals there is no report.
async function openReport(file: string): Promise<Report> {
  await rm(file, { force: true });
  let handle: FileHandle | undefined;
  return {
    file,
    async write(lines) {
      if (lines.length === 0) return;
      handle ??= await open(file, 'w');
      await handle.write(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    },
    async close() {
      await handle?.close();
    },
  };
}

async function sizeOf(file: string): Promise<number> {
  try {
    const found = await stat(file);
    if (found.isFile()) return found.size;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
  }
  throw new CommandError(`${file}: there is no such file`);
}

// A dry run imports into a scratch database, so that it finds names that repeat within the file.
async function withScratch<Result>(use: (scratch: ReturnType<typeof openDatabase>) => Promise<Result>) {
  const folder = await mkdtemp(join(tmpdir(), 'kindred-import-'));
  const url = `sqlite:${join(folder, 'scratch.sqlite')}`;
  try {
    await migrate(url);
    const scratch = openDatabase(url);
    return await use(scratch).finally(() => scratch.destroy());
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function describe({
  imported,
  present,
  refused,
  dry_run,
  report,
  seconds,
}: Totals & {
  dry_run: boolean;
  report: string | null;
  seconds: number;
}): string {
  const said = [
    `${dry_run ? 'would import' : 'imported'} ${count(imported, 'user')} in ${seconds} s`,
    ...(present > 0 ? [`${count(present, 'user')} already there`] : []),
    ...(refused > 0 ? [`${count(refused, 'line')} refused, see ${report}`] : []),
  ];
  return said.join('; ');
}

function count(many: number, what: string): string {
  return `${many.toLocaleString('en')} ${what}${many === 1 ? '' : 's'}`;
}
