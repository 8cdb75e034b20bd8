// The server as an operator starts it: a process of its own with real signals, whose output is read.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { limitConcurrency } from './concurrent_tests.ts';
import { environment, type Settings } from './server.ts';

export interface ServerProcess {
  url: string;
  child: ChildProcess;
  /** The output so far, stdout and stderr. */
  output: () => string;
  /** The lines of its log. */
  lines: () => Record<string, unknown>[];
  /** Its exit code, once it has ended. */
  exited: Promise<number | null>;
}

const script = fileURLToPath(new URL('../../src/server.ts', import.meta.url));

// A line of the JSON log, or of the readable log in development.
const greeted = /"issuer":"([^"]+)".*"Kindred listens"|^Kindred listens; issuer (\S+)$/m;

/** Starts `node src/server.ts` on a database; killed with the test if it still runs. */
export async function spawnServer(
  t: ExecutionContext,
  databaseUrl: string,
  settings: Settings = {},
): Promise<ServerProcess> {
  await takePlace(t);
  const env = { PATH: process.env.PATH, ...environment(databaseUrl, settings) };
  const child = spawn(process.execPath, [script], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => (output += text));
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', () => {
      const found = greeted.exec(output)?.slice(1).find(Boolean);
      if (found) resolve(found);
    });
    void exited.then((code) => reject(new Error(`the server ended with ${code}: ${output}`)));
  });
  const lines = () =>
    output
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
  return { url, child, output: () => output, lines, exited };
}

// More processes than this would only wait for each other to start.
const takePlace = limitConcurrency(3);

/**
 * A free port of the loopback. It lies below the ephemeral ports, so that no other process takes it before the test does or
 * while its server is down.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 30_000);
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
