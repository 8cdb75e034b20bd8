// The server as an operator starts it: a process of its own, its output read, its signals real.
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
  /** Everything that it wrote so far, stdout and stderr. */
  output: () => string;
  /** The lines of its log. */
  lines: () => Record<string, unknown>[];
  /** Its exit code, once it has ended. */
  exited: Promise<number | null>;
}

const script = fileURLToPath(new URL('../../src/server.ts', import.meta.url));

// As a line of the log, or in development in words.
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
 * A port of the loopback that nothing uses. It is below those that the system gives to connections and to servers that ask
 * for any, so that none of them takes it before the test does, nor while a server that had it is down.
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
