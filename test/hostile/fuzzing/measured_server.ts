// A server in a process of its own whose log is read and whose heap is measured.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { environment, registerGateway, type Settings, type TestServer } from '../../helpers/server.ts';
import type { Store } from '../../helpers/stores.ts';

export interface MeasuredServer extends TestServer {
  /** Its output, stdout and stderr. */
  output: () => string;
  /** Bytes in use after a garbage collection. */
  heap: () => Promise<number>;
  /** Microseconds of CPU time of its main thread. */
  cpu: () => Promise<number>;
  isAlive: () => boolean;
}

const script = fileURLToPath(new URL('../children/serve_measured.ts', import.meta.url));

/** Starts the server; it stops with the test. */
export async function startMeasured(
  t: ExecutionContext,
  store: Store,
  settings: Settings,
): Promise<MeasuredServer> {
  const env = { PATH: process.env.PATH, ...environment(store.url, settings) };
  const child = fork(script, { env, execArgv: [], stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  t.teardown(() => stop(child));
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  const port = await told(child, 'port', () => output);
  const url = `http://127.0.0.1:${port}`;
  return {
    ...(await registerGateway(store, { url, issuer: url, stop: async () => {} })),
    output: () => output,
    isAlive: () => child.exitCode === null && child.signalCode === null,
    cpu: async () => {
      child.send('cpu');
      return await told(child, 'cpu', () => output);
    },
    heap: async () => {
      child.send('heap');
      return await told(child, 'heap', () => output);
    },
  };
}

async function told(child: ChildProcess, name: string, output: () => string): Promise<number> {
  const over = new AbortController();
  const died = once(child, 'exit', { signal: over.signal }).then(() =>
    Promise.reject(new Error(`the server ended: ${output()}`)),
  );
  died.catch(() => {});
  const [message] = (await Promise.race([once(child, 'message'), died])) as [Record<string, number>];
  over.abort();
  const value = message[name];
  if (value === undefined) throw new Error(`no ${name} in ${JSON.stringify(message)}`);
  return value;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  const timer = setTimeout(() => child.kill('SIGKILL'), 45_000);
  child.disconnect();
  await ended;
  clearTimeout(timer);
}
