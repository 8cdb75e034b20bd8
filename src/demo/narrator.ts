// The output of the demo: headings, shortened requests and answers, and a tick for each claim. Colours on a terminal only.
import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];
export type Json = Record<string, unknown>;

/** A step that did not have the expected result. */
export class StoryFailed extends Error {}

export interface Request {
  method: 'GET' | 'POST';
  path: string;
  form?: Record<string, string>;
  json?: Json;
  /** The access token that is sent. */
  token?: string;
  /** Client id and secret, sent as HTTP Basic. */
  client?: { client_id: string; client_secret: string };
}

export interface Answer {
  status: number;
  body: Json;
}

export interface Narrator {
  title: (title: string, ...lines: string[]) => void;
  /** Begins a numbered step. */
  step: (title: string) => void;
  remark: (text: string) => void;
  /** Shows a request and, of its answer, the members in `members`. */
  exchange: (request: Request, answer: Answer, members: string[]) => void;
  /** Ticks a true claim; a false one ends the story. */
  tick: (isTrue: boolean, claim: string) => void;
  fail: (why: string) => void;
}

/** A narrator that writes to `stream`; plain text with `NO_COLOR` and through a pipe. */
export function createNarrator(stream: NodeJS.WriteStream): Narrator {
  const paint = (style: Style, text: string) => styleText(style, text, { stream });
  const say = (text = '') => stream.write(`${text}\n`);
  let steps = 0;
  return {
    title(title, ...lines) {
      say(`\n${paint('bold', title)}`);
      for (const line of lines) say(line);
    },
    step(title) {
      steps += 1;
      say(`\n${paint(['bold', 'cyan'], `${steps}. ${title}`)}`);
    },
    remark: (text) => say(`   ${text}`),
    exchange(request, { status, body }, members) {
      say(paint('dim', `   → ${describeRequest(request)}`));
      const shown = describeMembers(body, status < 400 ? members : ['error', 'reason']);
      say(`   ← ${paint(status < 400 ? 'green' : 'yellow', String(status))}${shown}`);
    },
    tick(isTrue, claim) {
      if (!isTrue) throw new StoryFailed(claim);
      say(`   ${paint('green', '✓')} ${claim}`);
    },
    fail: (why) => say(`   ${paint('red', '✗')} ${why}`),
  };
}

function describeRequest({ method, path, form, json, token, client }: Request): string {
  const parts = [`${method} ${path}`];
  for (const [name, value] of Object.entries(form ?? {})) parts.push(`${name}=${shorten(name, value)}`);
  if (json) parts.push(JSON.stringify(json));
  if (token) parts.push(`(Bearer ${shorten('access_token', token)})`);
  if (client) parts.push(`(as ${client.client_id})`);
  return parts.join(' ');
}

function describeMembers(body: Json, members: string[]): string {
  return members
    .filter((name) => body[name] !== undefined)
    .map((name) => `  ${name} ${shorten(name, String(body[name]))}`)
    .join('');
}

/** A token or an id, shortened but recognizable; a password not at all. */
export function shorten(name: string, value: string): string {
  if (name === 'password') return '…';
  if (/token$|secret$/.test(name)) return `${value.slice(0, 4)}…${value.slice(-6)}`;
  return /^[0-9a-f-]{36}$/.test(value) ? `…${value.slice(-8)}` : value;
}
