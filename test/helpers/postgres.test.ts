import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import pg from 'pg';
import { untilItFails } from './until.ts';

const script = fileURLToPath(new URL('children/start_postgres.ts', import.meta.url));

test('a Postgres whose parent is killed with -9 ends too, and leaves no folder behind', async (t) => {
  const maker = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => maker.kill('SIGKILL'));
  const [line] = await once(maker.stdout, 'data');
  const url = String(line).trim();
  const folder = dirname(await dataDirectory(url));
  await t.notThrowsAsync(access(folder));

  maker.kill('SIGKILL');
  await t.notThrowsAsync(untilItFails(() => access(folder), 'the folder is gone'));
  await t.notThrowsAsync(untilItFails(() => dataDirectory(url), 'the Postgres is gone'));
});

async function dataDirectory(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query('show data_directory')).rows[0].data_directory;
  } finally {
    await client.end();
  }
}
