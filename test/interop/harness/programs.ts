// Programs that a test runs: an app that listens on a port, or a command that ends. They stop with the test.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { until } from '../../helpers/until.ts';

export const serverProgram = fileURLToPath(new URL('../../../src/server.ts', import.meta.url));

export interface Surroundings {
  cwd: string;
  env?: Record<string, string>;
}

export interface RunningProgram {
  /** Standard output and error so far. */
  output: () => string;
  stop: () => Promise<void>;
}

/** Starts a program and waits until it accepts connections on `port`; the caller stops it. */
export async function startProgram(
  command: string,
  args: string[],
  { cwd, env = {}, port }: Surroundings & { port: number },
): Promise<RunningProgram> {
  const child = spawn(command, args, {
    cwd,
    env: { ...inherited(), ...env },
    // A group of its own: a program may have started others.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close');
  closed.catch(() => {});
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => (output += text));
  const isOver = () => child.exitCode !== null || child.signalCode !== null;
  const killGroup = () => {
    if (child.pid && !isOver()) process.kill(-child.pid, 'SIGKILL');
  };
  process.once('exit', killGroup);
  const running = {
    output: () => output,
    async stop() {
      process.off('exit', killGroup);
      if (isOver() || !child.pid) return;
      process.kill(-child.pid, 'SIGTERM');
      const timer = setTimeout(killGroup, 20_000);
      await closed;
      clearTimeout(timer);
    },
  };
  await once(child, 'spawn');
  await until(
    async () => {
      if (isOver()) throw new Error(`${command} ended with ${child.exitCode ?? child.signalCode}: ${output}`);
      return await accepts(port);
    },
    `${command} ${args.join(' ')} listens on ${port}`,
  );
  return running;
}

/** The same, stopped with the test. When the test fails, the output of the program is shown. */
export async function runApp(
  t: ExecutionContext,
  command: string,
  args: string[],
  surroundings: Surroundings & { port: number },
): Promise<RunningProgram> {
  const running = await startProgram(command, args, surroundings);
  t.teardown(async () => {
    await running.stop();
    if (!t.passed) t.log(running.output());
  });
  return running;
}

/** Runs a command to its end and returns its standard output; another exit code than 0 is an error with its output. */
export async function runToEnd(
  command: string,
  args: string[],
  { cwd, env = {} }: Surroundings,
): Promise<string> {
  const child = spawn(command, args, {
    cwd,
    env: { ...inherited(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let all = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
    all += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => (all += text));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}:\n${all.slice(-4000)}`);
  return stdout;
}

// A program does not see that it runs in a test.
function inherited(): NodeJS.ProcessEnv {
  const { NODE_ENV: _mode, FORCE_COLOR: _color, ...rest } = process.env;
  return rest;
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const isOpen = await once(socket, 'connect').then(
    () => true,
    () => false,
  );
  socket.destroy();
  return isOpen;
}
