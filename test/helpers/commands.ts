// Runs a command as an operator does: in a process of its own, with its own environment and an empty folder.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { createConcurrencyGate } from '../../src/lib/concurrency_gate.ts';
import type { Outcome } from './child.ts';
import { environment, type Settings } from './server.ts';

export const cli = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

export interface CommandEnvironment {
  env: Settings;
  stdin?: string | Buffer;
  /** The working folder; by default an empty one. */
  cwd?: string;
}

// Each takes half a second of CPU; all tests of a file at once would time out.
const gate = createConcurrencyGate(2);

/** Runs one command to its end. */
export async function runCommand(args: string[], surroundings: CommandEnvironment): Promise<Outcome> {
  return await gate(() => run(args, surroundings));
}

async function run(args: string[], { env, stdin, cwd }: CommandEnvironment): Promise<Outcome> {
  const directory = cwd ?? (await mkdtemp(join(tmpdir(), 'kindred-cli-')));
  const child = spawn(process.execPath, [cli, ...args], {
    cwd: directory,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  // A command that refuses its arguments exits without reading its input.
  child.stdin.on('error', () => {});
  child.stdin.end(stdin ?? '');
  const [stdout, stderr, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  if (!cwd) await rm(directory, { recursive: true });
  return { code, signal, stdout, stderr };
}

/** Runs one command on this database. */
export async function kindred(
  { databaseUrl }: { databaseUrl: string },
  args: string[],
  stdin?: string | Buffer,
): Promise<Outcome> {
  const env = environment(databaseUrl);
  return await runCommand(args, stdin === undefined ? { env } : { env, stdin });
}

/** The output of a command with `--json`; a failure fails the test. */
export async function kindredJson<Result = Record<string, unknown>>(
  server: { databaseUrl: string },
  args: string[],
  stdin?: string,
): Promise<Result> {
  const { code, stdout, stderr } = await kindred(server, [...args, '--json'], stdin);
  if (code !== 0) throw new Error(`${args.join(' ')}: ${stderr}`);
  return JSON.parse(stdout);
}

/** Asserts that a command failed, reported the error in one line and printed no result. */
export function assertRefusedCommand(t: ExecutionContext, outcome: Outcome, said: RegExp): void {
  const { code, stdout, stderr } = outcome;
  t.is(code, 1, stderr);
  t.is(stdout, '');
  t.regex(stderr, /^kindred: [^\n]+\n$/);
  t.regex(stderr, said);
  t.notRegex(stderr, /\bat .+:\d+|node_modules|\binsert into\b|\bselect\b/i);
}
