// What a stranger meets: `npm start` in an empty folder, and the three commands that it prints.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { openDatabase } from '../../src/core/store/db.ts';
import { makeEmptyStore } from '../helpers/stores.ts';
import { readTables } from '../helpers/tables.ts';
import { giveTime } from '../helpers/until.ts';

const server = fileURLToPath(new URL('../../src/server.ts', import.meta.url));
const run = promisify(execFile);

interface Started {
  issuer: string;
  /** Everything on stdout up to now. */
  printed: () => string;
  stop: () => Promise<number | null>;
}

async function start(cwd: string, given: Record<string, string>): Promise<Started> {
  const env = { PATH: process.env.PATH, PORT: '0', METRICS_PORT: '0', LOG_LEVEL: 'warn', ...given };
  const child = spawn(process.execPath, [server], { cwd, env, stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  const { promise: greeted, resolve } = Promise.withResolvers<void>();
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    printed += piece;
    if (printed.includes('openapi.json')) resolve();
  });
  const died = once(child, 'exit').then(([code]) => Promise.reject(new Error(`the server ended: ${code}`)));
  await Promise.race([greeted, died]);
  died.catch(() => {});
  const issuer = /issuer (\S+)/.exec(printed)?.[1] ?? '';
  return { issuer, printed: () => printed, stop: () => end(child) };
}

async function end(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null) {
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  }
  return child.exitCode;
}

function printedCommands(printed: string): string[] {
  return [...printed.matchAll(/^ {2}\d\. [\w ]+: +(.+)$/gm)].map(([, command = '']) => command);
}

/** Pastes the commands into one shell, one after the other; gives what each printed. */
async function paste(commands: string[]): Promise<Record<string, unknown>[]> {
  const { stdout } = await run('bash', ['-c', commands.join('\necho\necho ----\n')]);
  return stdout.split('----').map((part) => JSON.parse(part));
}

async function emptyFolder(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'kindred-start-'));
  t.teardown(() => rm(directory, { recursive: true }));
  return directory;
}

for (const name of ['sqlite', 'postgres'] as const) {
  test(`three pasted commands lead from an empty folder to a rotated token; a second start keeps all data (${name})`, async (t) => {
    giveTime(t);
    const cwd = await emptyFolder(t);
    const store = name === 'postgres' ? await makeEmptyStore('postgres') : null;
    if (store) t.teardown(store.drop);
    const settings: Record<string, string> = store ? { DATABASE_URL: store.url } : {};
    const db = store?.db ?? openDatabase(`sqlite:${join(cwd, 'data/kindred.sqlite')}`);
    if (!store) t.teardown(() => db.destroy());

    const first = await start(cwd, settings);
    t.teardown(first.stop);
    t.regex(first.issuer, /^http:\/\/127\.0\.0\.1:\d+$/);
    const commands = printedCommands(first.printed());
    t.is(commands.length, 3);
    const [tokens, refreshed, listed] = await paste(commands);
    t.is(refreshed?.session_id, tokens?.session_id);
    t.not(refreshed?.refresh_token, tokens?.refresh_token);
    const { sessions } = listed as { sessions: Record<string, unknown>[] };
    t.is(sessions.length, 1);
    t.like(sessions[0], { id: tokens?.session_id, is_current: true, device: { name: 'laptop' } });
    t.is(await first.stop(), 0);

    const [before, secret] = [await readTables(db), await readFile(join(cwd, 'data/secret'), 'utf8')];
    // The same port, or it would be another issuer with another API.
    const second = await start(cwd, { ...settings, PORT: new URL(first.issuer).port });
    t.teardown(second.stop);
    t.deepEqual(await readTables(db), before);
    t.is(await readFile(join(cwd, 'data/secret'), 'utf8'), secret);
    t.is((await stat(join(cwd, 'data/secret'))).mode & 0o077, 0);
    // Tokens of the first run are still good: here its refresh token, at the second server.
    const form = {
      grant_type: 'refresh_token',
      client_id: 'demo-app',
      refresh_token: String(refreshed?.refresh_token),
    };
    const answer = await fetch(`${second.issuer}/token`, { method: 'POST', body: new URLSearchParams(form) });
    t.is(answer.status, 200);
    t.is(await second.stop(), 0);
    t.deepEqual((await readdir(cwd)).toSorted(), ['data']);
  });
}

test('README shows the commands that npm start prints', async (t) => {
  const started = await start(await emptyFolder(t), {});
  t.teardown(started.stop);
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const shown = [...readme.matchAll(/^```sh\n(.*(?:127\.0\.0\.1:3000).*)\n```$/gm)].map(
    ([, command = '']) => command,
  );
  const printed = printedCommands(started.printed().replaceAll(started.issuer, 'http://127.0.0.1:3000'));
  t.deepEqual(shown, printed);
});
