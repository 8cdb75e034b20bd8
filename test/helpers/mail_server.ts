// A real SMTP server for tests, and the mails that it took.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import {
  registerGateway,
  runServer,
  type Settings,
  startTestServer,
  type TestServer,
  testLimited,
} from './server.ts';
import { makeStore, type StoreName, storeNames } from './stores.ts';
import { until } from './until.ts';

/** A mail as the server got it. */
export interface ReceivedMail {
  from: string;
  to: string[];
  /** The whole message, as it was sent. */
  raw: string;
  subject: string;
  /** The decoded text part. */
  text: string;
  html: string;
  /** The six digits in the text, and the links. */
  code: string | null;
  links: string[];
}

export interface MailServer {
  /** For SMTP_URL. */
  url: string;
  mails: ReceivedMail[];
  /** The mails to an address, once there are `count` of them. */
  to: (address: string, count?: number) => Promise<ReceivedMail[]>;
  close: () => Promise<void>;
}

/** Starts a server on a free port; it ends with the test. `options` decide what it refuses. */
export async function startMailServer(
  t: ExecutionContext | null,
  options: SMTPServerOptions = {},
): Promise<MailServer> {
  const mails: ReceivedMail[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope;
        const raw = Buffer.concat(chunks).toString();
        const from = mailFrom ? mailFrom.address : '';
        mails.push({ from, to: rcptTo.map(({ address }) => address), raw, ...readMail(raw) });
        done();
      });
    },
    ...options,
  });
  // A client that goes away while it is tested is no failure of the test.
  server.on('error', () => {});
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  const { port } = server.server.address() as AddressInfo;
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()));
  t?.teardown(close);
  return {
    url: `smtp://127.0.0.1:${port}`,
    mails,
    async to(address, count = 1) {
      const found = () => mails.filter(({ to }) => to.includes(address));
      await until(async () => found().length >= count, `${count} mails to ${address}`);
      return found();
    },
    close,
  };
}

/** The settings of a server that sends its mails to this mail server. */
export function mailSettings({ url }: Pick<MailServer, 'url'>): Settings {
  return { SMTP_URL: url, MAIL_FROM: 'Kindred <login@id.example>' };
}

type Body = (t: ExecutionContext, server: TestServer, mail: MailServer) => Promise<void>;

/** Registers the test once per store, on a server and a mail server that all such tests of the file share. */
export function testWithMail(title: string, body: Body, stores: readonly StoreName[] = storeNames): void {
  for (const name of stores) {
    testLimited(`${title} (${name})`, async (t) => {
      const { server, mail } = await sharedPair(name);
      await body(t, server, mail);
    });
  }
}

/** Registers the test once per store, on a server of its own with these settings and a mail server of its own. */
export function testOnOwnMailServers(
  title: string,
  { settings = {}, smtp = {} }: { settings?: Settings; smtp?: SMTPServerOptions },
  body: Body,
): void {
  for (const name of storeNames) {
    testLimited(`${title} (${name})`, async (t) => {
      const mail = await startMailServer(t, smtp);
      const store = await makeStore(name);
      t.teardown(store.drop);
      await body(t, await startTestServer(t, store, { ...mailSettings(mail), ...settings }), mail);
    });
  }
}

type Pair = { server: TestServer; mail: MailServer; stop: () => Promise<void> };

const shared = new Map<StoreName, Promise<Pair>>();

async function sharedPair(name: StoreName): Promise<Pair> {
  const known = shared.get(name) ?? startPair(name);
  shared.set(name, known);
  return await known;
}

async function startPair(name: StoreName): Promise<Pair> {
  const mail = await startMailServer(null);
  const store = await makeStore(name);
  const running = await runServer(store.url, { ...mailSettings(mail), SIGN_UP: 'open' });
  const server = await registerGateway(store, running);
  return {
    ...{ server, mail },
    async stop() {
      await running.stop();
      await store.drop();
      await mail.close();
    },
  };
}

test.after.always('the shared servers with mail stop', async () => {
  for (const starting of shared.values()) await (await starting).stop();
});

/** Reads a message by the rules of MIME that our mails use (RFC 2045, 2046, 2047). */
export function readMail(raw: string): Omit<ReceivedMail, 'from' | 'to' | 'raw'> {
  const [head = '', body = ''] = splitOnce(raw);
  const boundary = /boundary="([^"]+)"/.exec(head)?.[1] ?? '';
  const parts = body.split(`--${boundary}`).map((part) => splitOnce(part.replace(/^\r?\n/, '')));
  const decoded = (type: string) => {
    const part = parts.find(([headers]) => headers.includes(`text/${type}`));
    return part ? decode(part[0], part[1]) : '';
  };
  const text = decoded('plain');
  return {
    subject: decodeWords(headerOf(head, 'Subject')),
    text,
    html: decoded('html'),
    code: /Your code: (\d{6})/.exec(text)?.[1] ?? null,
    links: text.match(/^https?:\/\/\S+$/gm) ?? [],
  };
}

function splitOnce(text: string): [head: string, body: string] {
  const at = /\r?\n\r?\n/.exec(text);
  return at ? [text.slice(0, at.index), text.slice(at.index + at[0].length)] : [text, ''];
}

/** The value of a header, with its lines joined. */
export function headerOf(head: string, name: string): string {
  const value = new RegExp(`^${name}:[ \\t]?(.*(?:\\r?\\n[ \\t].*)*)`, 'im').exec(head)?.[1] ?? '';
  return value.replaceAll(/\r?\n[ \t]+/g, ' ').trim();
}

function decode(head: string, body: string): string {
  const encoding = headerOf(head, 'Content-Transfer-Encoding').toLowerCase();
  if (encoding === 'base64') return Buffer.from(body, 'base64').toString();
  return encoding === 'quoted-printable' ? decodeQuoted(body).toString() : body;
}

function decodeQuoted(text: string): Buffer {
  const joined = text.replaceAll(/=\r?\n/g, '');
  const bytes = joined.replaceAll(/=([0-9A-F]{2})/gi, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, 'latin1');
}

// Encoded words of a header: `=?UTF-8?Q?…?=` and `=?UTF-8?B?…?=`.
function decodeWords(value: string): string {
  return value
    .replaceAll(/\?=\s+=\?/g, '?==?')
    .replaceAll(/=\?utf-8\?([qb])\?([^?]*)\?=/gi, (_all, how: string, text: string) =>
      how.toLowerCase() === 'b'
        ? Buffer.from(text, 'base64').toString()
        : decodeQuoted(text.replaceAll('_', ' ')).toString(),
    );
}
