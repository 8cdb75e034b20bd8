// From `npm start` to the first token, on an existing SQLite file. Not pinned, as in real use.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { demo } from '../../src/process/demo_data.ts';
import { makeScratch } from '../../test/helpers/scratch.ts';
import { WrongAnswer } from '../generator/index.ts';
import { figure } from '../harness/figures.ts';
import type { Found } from '../harness/report.ts';
import { median } from '../harness/rounds.ts';
import { freePort } from '../machine/ports.ts';

const root = join(import.meta.dirname, '../..');
/** Seconds after which a start has failed. */
const longest = 60;

/** The median of five starts. The start that creates the file does not count. */
export async function benchStart(): Promise<Found> {
  const scratch = await makeScratch();
  try {
    const url = `sqlite:${join(scratch.path, 'bench.sqlite')}`;
    await timeStart('npm', ['start'], url);
    const throughNpm: number[] = [];
    const nodeAlone: number[] = [];
    for (let index = 0; index < 5; index += 1) {
      throughNpm.push(await timeStart('npm', ['start'], url));
      nodeAlone.push(await timeStart(process.execPath, ['src/server.ts'], url));
    }
    return {
      figures: [figure('start to first token, SQLite', median(throughNpm))],
      facts: {
        'node src/server.ts without npm, seconds': median(nodeAlone).toFixed(2),
        throughNpm,
        nodeAlone,
      },
    };
  } finally {
    await scratch.remove();
  }
}

async function timeStart(command: string, args: string[], databaseUrl: string): Promise<number> {
  const port = await freePort();
  const env = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    PORT: String(port),
    METRICS_PORT: '0',
    // Otherwise npm asks its registry for a newer npm.
    npm_config_update_notifier: 'false',
    DATABASE_URL: databaseUrl,
  };
  const start = performance.now();
  const child = spawn(command, args, { cwd: root, env, stdio: 'ignore' });
  try {
    await firstToken(child, port, start + longest * 1000);
    return (performance.now() - start) / 1000;
  } finally {
    await end(child);
  }
}

async function firstToken(child: ChildProcess, port: number, deadline: number): Promise<void> {
  const { username, password, app: client_id } = demo;
  const body = new URLSearchParams({ grant_type: 'password', client_id, username, password }).toString();
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  while (performance.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`);
    const response = await fetch(`http://127.0.0.1:${port}/token`, { method: 'POST', headers, body }).catch(
      () => null,
    );
    if (response?.status === 200) {
      const { access_token } = (await response.json()) as { access_token?: string };
      if (access_token) return;
      throw new WrongAnswer('a login was answered 200 without an access token');
    }
    await response?.arrayBuffer();
    await sleep(10);
  }
  throw new Error(`no token within ${longest} s`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = once(child, 'exit');
  // npm forwards the signal and exits after the server.
  child.kill();
  await exited;
}
