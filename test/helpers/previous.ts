// The previous version, unpacked (test/cluster/previous/pack.ts) and run as a process of its own, on the present packages.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync } from 'node:zlib';
import { registerCompletionHandler } from 'ava';
import { type Packed, packedFile } from '../cluster/previous/pack.ts';
import type { Settings } from './server.ts';

const packages = fileURLToPath(new URL('../../node_modules', import.meta.url));

/** The packed version. */
export async function readPrevious(): Promise<Packed> {
  return JSON.parse(brotliDecompressSync(await readFile(packedFile)).toString());
}

let unpacked: Promise<string> | undefined;

/** The folder of the unpacked version; unpacked once per process. */
function folder(): Promise<string> {
  unpacked ??= unpack();
  return unpacked;
}

async function unpack(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'kindred-previous-'));
  registerCompletionHandler(() => void rm(directory, { recursive: true, force: true }));
  const { files } = await readPrevious();
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), content);
  }
  await symlink(packages, join(directory, 'node_modules'));
  return directory;
}

/** Starts its server; `env` are its settings. */
export async function startPrevious(env: Settings): Promise<{ url: string; stop: () => Promise<void> }> {
  const cwd = await folder();
  const child = spawn(process.execPath, ['src/server.ts'], {
    cwd,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  let printed = '';
  await new Promise<void>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      printed += piece;
      if (/^Kindred listens;/m.test(printed)) resolve();
    });
    void exited.then(([code]) => reject(new Error(`the previous version ended with ${code}: ${printed}`)));
  });
  return {
    url: `http://127.0.0.1:${env.PORT}`,
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

/** Runs one of its commands and returns the output; a failure throws. */
export async function runPrevious(args: string[], env: Settings, stdin = ''): Promise<string> {
  const cwd = await folder();
  const child = spawn(process.execPath, ['src/cli.ts', ...args], {
    cwd,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.end(stdin);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  if (code !== 0) throw new Error(`the previous version, ${args[0]}: ${stderr}`);
  return stdout;
}
