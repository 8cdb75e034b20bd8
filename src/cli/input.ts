// The input of commands: a password, typed without echo or from stdin, and JSON from a file or from stdin.
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { CommandError } from './output.ts';

interface Terminal {
  input: NodeJS.ReadableStream & { isTTY?: boolean };
  output: NodeJS.WritableStream;
}

/** A new password: typed twice at a terminal, or read from stdin if `fromStdin`. Refuses an empty one. */
export async function readPassword(fromStdin: boolean): Promise<string> {
  if (process.stdin.isTTY) return await askPassword({ input: process.stdin, output: process.stderr });
  if (!fromStdin) throw new CommandError('there is no terminal to ask for a password; use --password-stdin');
  const password = decode(await buffer(process.stdin), 'the password').replace(/\r?\n$/, '');
  if (/[\r\n]/.test(password)) throw new CommandError('the password must be a single line');
  return refuseEmpty(password);
}

/** Asks for a password twice, without echo. */
export async function askPassword({ input, output }: Terminal): Promise<string> {
  // Line editing without echo: the terminal is in raw mode, and the output of readline is discarded.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const typed = createInterface({ input, output: nowhere, terminal: true, historySize: 0 });
  typed.on('SIGINT', () => typed.close());
  const lines = typed[Symbol.asyncIterator]();
  const ask = async (question: string) => {
    output.write(question);
    const line = await lines.next();
    output.write('\n');
    if (line.done) throw new CommandError('stopped; nothing was changed');
    return line.value;
  };
  try {
    const password = refuseEmpty(await ask('Password: '));
    if ((await ask('Again: ')) !== password) throw new CommandError('the two passwords differ');
    return password;
  } finally {
    typed.close();
  }
}

/** The JSON of a file, or of stdin when the name is `-`. */
export async function readJson(file: string): Promise<unknown> {
  const name = file === '-' ? 'stdin' : file;
  const text = decode(await readBytes(file), name);
  try {
    return JSON.parse(text);
  } catch {
    // The message of the parser quotes the text, which may contain a secret.
    throw new CommandError(`${name} is not valid JSON`);
  }
}

async function readBytes(file: string): Promise<Buffer> {
  if (file === '-') return await buffer(process.stdin);
  try {
    return await readFile(file);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new CommandError(
      `${file}: ${code === 'ENOENT' ? 'there is no such file' : `cannot be read (${code})`}`,
      {
        cause,
      },
    );
  }
}

function decode(bytes: Buffer, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new CommandError(`${name}: is not UTF-8`);
  }
}

function refuseEmpty(password: string): string {
  if (password === '') throw new CommandError('the password must not be empty');
  return password;
}
