import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { demo } from '../src/process/demo_data.ts';
import { makeScratch } from './helpers/scratch.ts';

const script = fileURLToPath(new URL('../src/demo.ts', import.meta.url));

test('the demo runs to its end, shortens secrets and leaves nothing behind', async (t) => {
  const scratch = await makeScratch();
  t.teardown(scratch.remove);
  // Whatever the operator's environment says, the demo is about a server of its own.
  const env = {
    PATH: process.env.PATH,
    TMPDIR: scratch.path,
    DATABASE_URL: 'nonsense',
    PORT: 'x',
    LOG_LEVEL: 'trace',
  };
  const child = spawn(process.execPath, [script], {
    env,
    cwd: scratch.path,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [told, complaints, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  t.is(code, 0, told + complaints);
  t.is(complaints, '');
  t.deepEqual(
    told.match(/^\d+\. .*$/gm)?.map((line) => line.slice(0, 2)),
    ['1.', '2.', '3.', '4.', '5.', '6.', '7.'],
  );
  t.true((told.match(/^ {3}✓ /gm) ?? []).length >= 15);
  for (const reason of ['token_reused', 'session_ended', 'reuse_detected']) t.true(told.includes(reason));
  t.false(told.includes('✗'));
  // Through a pipe there are no colours, and nothing is shown whole that would be worth copying.
  t.false(told.includes('\u001b'));
  t.notRegex(told, /eyJ[\w-]{20,}|krt_[\w-]{20,}/);
  for (const secret of [demo.password, demo.api.client_secret]) t.false(told.includes(secret));
  t.deepEqual(await readdir(scratch.path), []);
});
