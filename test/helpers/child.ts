// Runs a script in a process of its own, for effects that only show between processes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

export interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs the TypeScript file at `script` (`new URL('children/x.ts', import.meta.url)`) to its end. */
export async function runChild(script: URL, args: string[] = []): Promise<Outcome> {
  const child = spawn(process.execPath, [fileURLToPath(script), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code, signal, stdout, stderr };
}

/** Runs the script `count` times concurrently. */
export async function runChildren(count: number, script: URL, args: string[] = []): Promise<Outcome[]> {
  return await Promise.all(Array.from({ length: count }, () => runChild(script, args)));
}
