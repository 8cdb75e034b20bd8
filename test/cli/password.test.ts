import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setImmediate as tick } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { askPassword } from '../../src/cli/input.ts';
import { verifyPassword } from '../../src/core/passwords/password_hash.ts';
import { findUserByLogin } from '../../src/core/users/users.ts';
import { cli } from '../helpers/commands.ts';
import { testRequiring } from '../helpers/required_programs.ts';
import { environment } from '../helpers/server.ts';
import { makeStore, type OwnStore } from '../helpers/stores.ts';

// Typed key by key, as a terminal in raw mode hands it on.
async function ask(typed: string): Promise<{ shown: string; outcome: string }> {
  const input = new PassThrough();
  const output = new PassThrough();
  const asked = askPassword({ input, output }).then(
    (password) => `got ${password}`,
    (error: Error) => `refused: ${error.message}`,
  );
  for (const key of typed) {
    input.write(key);
    await tick();
  }
  const outcome = await asked;
  output.end();
  return { shown: await text(output), outcome };
}

const answers: [title: string, typed: string, outcome: string][] = [
  ['typed twice alike, it is taken', 'correct horse 7\rcorrect horse 7\r', 'got correct horse 7'],
  ['a mistake can be taken back', 'correctt\x7f horse 7\rcorrect horse 7\r', 'got correct horse 7'],
  ['any letters do', 'пароль с пробелом\rпароль с пробелом\r', 'got пароль с пробелом'],
  [
    'typed twice differently, it is refused',
    'correct horse 7\rcorrect horse 8\r',
    'refused: the two passwords differ',
  ],
  ['an empty one is refused at once', '\r', 'refused: the password must not be empty'],
  ['Ctrl-C stops', 'corr\x03', 'refused: stopped; nothing was changed'],
  ['Ctrl-D stops', '\x04', 'refused: stopped; nothing was changed'],
];

for (const [title, typed, outcome] of answers) {
  test(`the password prompt: ${title}, and the password is not shown`, async (t) => {
    const asked = await ask(typed);
    t.is(asked.outcome, outcome);
    t.regex(asked.shown, /^Password: \n(Again: \n)?$/);
  });
}

interface Session {
  code: number | null;
  shown: string;
}

/** Runs the command at a terminal of its own (util-linux' `script`), answering each question. */
async function atTerminal(
  store: OwnStore,
  args: string[],
  answers: [question: string, keys: string][],
): Promise<Session> {
  const line = [process.execPath, cli, ...args].map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['-q', '-e', '-c', line, '/dev/null'], {
    env: { PATH: process.env.PATH, TERM: 'xterm', ...environment(store.url) },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'close');
  let shown = '';
  let answered = 0;
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    shown += piece;
    const next = answers[answered];
    if (next && shown.includes(next[0])) {
      answered += 1;
      child.stdin.write(next[1]);
    }
  });
  const [code] = await exited;
  return { code, shown };
}

const hasTerminals = spawnSync('script', ['-q', '-e', '-c', 'true', '/dev/null']).status === 0;
const withTerminal = testRequiring(hasTerminals, '`script` gives no terminal');

async function sqlite(t: ExecutionContext): Promise<OwnStore> {
  const store = await makeStore('sqlite');
  t.teardown(store.drop);
  return store;
}

withTerminal('on a real terminal the password is asked for twice and never echoed', async (t) => {
  const store = await sqlite(t);
  const password = 'correct horse 77';
  const { code, shown } = await atTerminal(
    store,
    ['create-user', '--username', 'ada'],
    [
      ['Password: ', `${password}\r`],
      ['Again: ', `${password}\r`],
    ],
  );
  t.is(code, 0, shown);
  t.regex(shown, /^Password: \r\nAgain: \r\ncreated user ada, id [0-9a-f-]{36}\r\n$/);
  const user = await findUserByLogin(store.db, 'ada');
  t.true(await verifyPassword(password, user?.password_hash ?? null));
});

withTerminal('on a real terminal Ctrl-C leaves nothing behind', async (t) => {
  const store = await sqlite(t);
  const { code, shown } = await atTerminal(
    store,
    ['create-user', '--username', 'ada'],
    [['Password: ', 'corr\x03']],
  );
  t.is(code, 1, shown);
  t.is(shown, 'Password: \r\nkindred: stopped; nothing was changed\r\n');
  t.is(await findUserByLogin(store.db, 'ada'), null);
});
