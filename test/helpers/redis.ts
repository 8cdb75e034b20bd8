// A real Redis for one test, where the machine has one: on a free port of the loopback, gone with this process.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Where `redis-server` is, or null. */
export const redisServer =
  (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'redis-server'))
    .find((file) => existsSync(file)) ?? null;

// `cat` ends when our end of the pipe does, however this process ends.
const guard = '"$@" > /dev/null & cat > /dev/null; kill $!; wait $!';

/** Starts a Redis that keeps nothing on disk; on `port` when one is given. */
export async function startRedis(
  port?: number,
): Promise<{ port: number; url: string; stop(): Promise<void> }> {
  if (!redisServer) throw new Error('there is no redis-server');
  const own = port ?? (await freePort());
  const settings = ['--port', String(own), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const keeper = spawn('sh', ['-c', guard, 'sh', redisServer, ...settings], {
    cwd: tmpdir(),
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  const stop = async () => {
    if (keeper.exitCode !== null) return;
    keeper.stdin.end();
    await once(keeper, 'exit');
  };
  await untilItListens(own).catch(async (error) => {
    await stop();
    throw error;
  });
  return { port: own, url: `redis://127.0.0.1:${own}`, stop };
}

/** A port on which nobody listens. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function untilItListens(port: number): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    const socket = connect(port, '127.0.0.1');
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isOpen) return;
    await sleep(50);
  }
  throw new Error('Redis did not start');
}
