// A real Redis for one test, where the machine has one: on a free port of the loopback, stopped with this process.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { findProgram, testRequiring } from './required_programs.ts';
import { freePort } from './server_process.ts';
import { until } from './until.ts';

/** The path of `redis-server`, or null. */
export const redisServer = findProgram('redis-server');

/** A test that needs Redis. */
export const testWithRedis = testRequiring(redisServer, 'there is no redis-server');

// `cat` ends when this process closes the pipe, however it ends.
const guard = '"$@" > /dev/null & cat > /dev/null; kill $!; wait $!';

/** Starts a Redis without persistence, on `port` when one is given. */
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
  try {
    await until(() => keeper.exitCode !== null || isListening(own), 'Redis listens');
    if (keeper.exitCode !== null) throw new Error('Redis did not start');
  } catch (error) {
    await stop();
    throw error;
  }
  return { port: own, url: `redis://127.0.0.1:${own}`, stop };
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
