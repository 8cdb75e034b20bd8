import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { openDatabase } from '../../../src/core/store/db.ts';
import { migrate } from '../../../src/core/store/migrate.ts';
import { spawnServer } from '../../helpers/server_process.ts';

async function emptyFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kindred-files-'));
  t.teardown(() => rm(folder, { recursive: true }));
  return folder;
}

/** The modes of a folder and of what lies in it. */
async function modesOf(folder: string): Promise<Record<string, string>> {
  const names = ['.', ...(await readdir(folder))].toSorted();
  const modes = names.map(async (name) => [
    name,
    ((await stat(join(folder, name))).mode & 0o777).toString(8),
  ]);
  return Object.fromEntries(await Promise.all(modes));
}

test('only their owner can read a SQLite database and its files', async (t) => {
  const folder = join(await emptyFolder(t), 'made', 'data');
  const url = `sqlite:${join(folder, 'kindred.sqlite')}`;
  await migrate(url);
  const db = openDatabase(url);
  await db('users').select();
  const modes = await modesOf(folder);
  await db.destroy();
  t.true(Object.keys(modes).includes('kindred.sqlite-wal'));
  for (const [name, mode] of Object.entries(modes)) t.is(mode, name === '.' ? '700' : '600', name);
});

test('a server removes the read permission of others from the files of a database, and reports it', async (t) => {
  const folder = join(await emptyFolder(t), 'data');
  const file = join(folder, 'kindred.sqlite');
  await migrate(`sqlite:${file}`);
  await Promise.all([chmod(folder, 0o755), chmod(file, 0o644), chmod(`${file}.lock`, 0o664)]);
  const { lines } = await spawnServer(t, `sqlite:${file}`, { LOG_LEVEL: 'warn' });
  const told = lines().find(({ msg }) => String(msg).startsWith('files of the database were open'));
  t.deepEqual(told?.files, ['kindred.sqlite', 'kindred.sqlite.lock', folder]);
  for (const [name, mode] of Object.entries(await modesOf(folder)))
    t.is(mode, name === '.' ? '700' : '600', name);
});

test('a folder that contains other files keeps its permissions', async (t) => {
  const folder = await emptyFolder(t);
  await chmod(folder, 0o755);
  await mkdir(join(folder, 'public'));
  await writeFile(join(folder, 'notes.txt'), '', { mode: 0o644 });
  const { lines } = await spawnServer(t, `sqlite:${join(folder, 'kindred.sqlite')}`, { LOG_LEVEL: 'warn' });
  t.false(lines().some(({ msg }) => String(msg).startsWith('files of the database were open')));
  const { '.': own, 'kindred.sqlite': file, 'notes.txt': notes } = await modesOf(folder);
  t.deepEqual([own, file, notes], ['755', '600', '644']);
});
