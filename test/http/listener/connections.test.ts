// Slow, silent, endless and malformed connections: they are closed, and until then all other clients are answered.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { loadConfig } from '../../../config/index.ts';
import { connectionLimits } from '../../../src/http/listener/connections.ts';
import { startServer } from '../../../src/process/run_server.ts';
import { send } from '../../helpers/client.ts';
import { isActive, refresh, signIn, tokensOf } from '../../helpers/oauth.ts';
import { environment, registerGateway, type TestServer } from '../../helpers/server.ts';
import { spawnServer } from '../../helpers/server_process.ts';
import { makeStore } from '../../helpers/stores.ts';
import { giveTime } from '../../helpers/until.ts';

/** Connections of the flood; this process and the server's each need as many open files. */
const crowd = process.env.SOAK ? 10_000 : 500;

const rounds = process.env.SOAK ? 40 : 4;

/** A raw connection: what it has received, and when it closes. */
interface Line {
  socket: Socket;
  heard: () => string;
  closed: Promise<unknown>;
}

async function dial({ url }: { url: string }): Promise<Line> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let heard = '';
  socket.setEncoding('latin1').on('data', (text) => {
    heard = (heard + text).slice(-4_000);
  });
  // These tests expect to be cut off.
  socket.on('error', () => {});
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await Promise.race([once(socket, 'connect'), closed]);
  return { socket, heard: () => heard, closed };
}

async function dialMany(server: { url: string }, count: number): Promise<Line[]> {
  const lines: Line[] = [];
  for (let i = 0; i < count; i += 100) {
    lines.push(...(await Promise.all(Array.from({ length: Math.min(100, count - i) }, () => dial(server)))));
  }
  return lines;
}

/** A server in this process, with limits short enough for a test. */
async function startImpatient(t: ExecutionContext): Promise<TestServer> {
  const store = await makeStore('sqlite');
  t.teardown(store.drop);
  const limits = {
    ...connectionLimits,
    headers: 4_000,
    request: 8_000,
    idle: 4_000,
    stalled: 10_000,
    interval: 200,
  };
  const { config, stop } = await startServer(loadConfig(environment(store.url)), limits);
  t.teardown(stop);
  return await registerGateway(store, {
    url: `http://127.0.0.1:${config.port}`,
    issuer: config.issuer,
    stop,
  });
}

/** Writes `text` byte by byte, until its end or until the server closes the connection. */
async function trickle({ socket }: Line, text: string, pause: number): Promise<void> {
  for (const letter of text) {
    if (socket.destroyed) return;
    socket.write(letter);
    await sleep(pause);
  }
}

const head = (path: string, more = '') => `POST ${path} HTTP/1.1\r\nHost: x\r\n${more}`;
const formType = 'Content-Type: application/x-www-form-urlencoded\r\n';

const slow: Record<string, (line: Line) => unknown> = {
  'says nothing': () => {},
  'sends headers byte by byte': (line) => trickle(line, head('/token', 'X-Slow: '.padEnd(400, 'x')), 50),
  'stops within its headers': ({ socket }) => socket.write(head('/token')),
  'never ends its headers': (line) => trickle(line, `${head('/token')}${'X: y\r\n'.repeat(100)}`, 20),
  'announces a body and keeps it': ({ socket }) =>
    socket.write(head('/token', `${formType}Content-Length: 500\r\n\r\ngrant_type=`)),
  'sends its body byte by byte': (line) =>
    trickle(line, head('/token', `${formType}Content-Length: 500\r\n\r\n${'x'.repeat(500)}`), 20),
  'never ends its chunks': ({ socket }) =>
    socket.write(head('/token', `${formType}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`)),
  'has been answered and stays': ({ socket }) => socket.write('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n'),
};

test('slow clients are cut off', async (t) => {
  giveTime(t);
  const server = await startImpatient(t);
  await Promise.all(
    Object.entries(slow).map(async ([title, act]) => {
      const line = await dial(server);
      t.teardown(() => line.socket.destroy());
      void act(line);
      await line.closed;
      const expected =
        title === 'has been answered and stays' ? /^HTTP\/1\.1 (200|404)/ : /^HTTP\/1\.1 408|^$/;
      t.regex(line.heard(), expected, title);
    }),
  );
  const { tokens } = await signIn(server);
  t.true(await isActive(server, tokens.access_token));
});

test('a client that does not read its answers is cut off and costs no memory', async (t) => {
  giveTime(t);
  const server = await startImpatient(t);
  const line = await dial(server);
  t.teardown(() => line.socket.destroy());
  line.socket.pause();
  const question = 'GET /.well-known/openid-configuration HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(500);
  let refused = false;
  const flood = async () => {
    while (!line.socket.destroyed && !refused) {
      if (!line.socket.write(question)) {
        const drained = once(line.socket, 'drain').then(() => true);
        refused = !(await Promise.race([drained, line.closed.then(() => false), sleep(1_000, false)]));
      }
    }
  };
  await flood();
  t.true(refused, 'the server stopped reading too');
  // The socket never reads, so the next write finds that the connection is closed. (If it read now, the server would go on to
  // answer the hundred thousand requests that are under way.)
  await line.closed;
  const { tokens } = await signIn(server);
  t.true(await isActive(server, tokens.access_token));
});

test('endless bodies and headers are refused while they arrive', async (t) => {
  giveTime(t);
  const server = await startImpatient(t);
  const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
  const floods: [title: string, start: string, more: string, status: RegExp][] = [
    ['/token', head('/token', `${formType}Transfer-Encoding: chunked\r\n\r\n`), chunk, /^HTTP\/1\.1 413/],
    [
      '/introspect',
      head('/introspect', `${formType}Transfer-Encoding: chunked\r\n\r\n`),
      chunk,
      /^HTTP\/1\.1 413/,
    ],
    ['headers', head('/token'), `X: ${'y'.repeat(1_000)}\r\n`, /^HTTP\/1\.1 431/],
    ['one header', head('/token', 'X: '), 'y'.repeat(1_000), /^HTTP\/1\.1 431/],
    ['a path', 'GET /', 'y'.repeat(1_000), /^HTTP\/1\.1 431/],
    ['no HTTP at all', '\x16\x03\x01', '\0\0\0\0', /^HTTP\/1\.1 400/],
  ];
  for (const [title, start, more, status] of floods) {
    const line = await dial(server);
    line.socket.write(start);
    let sent = 0;
    while (!line.socket.destroyed && line.heard() === '' && sent < 50_000_000) {
      line.socket.write(more);
      sent += more.length;
      await sleep(1);
    }
    t.true(sent < 10_000_000, `${title}: ${sent} bytes were taken`);
    // On a busy machine the timeout for headers may come first.
    const isLate = line.heard().startsWith('HTTP/1.1 408');
    if (line.heard() !== '' && !isLate) t.regex(line.heard(), status, title);
    line.socket.destroy();
  }
});

/** Resident memory of a process, MiB. */
function memoryOf(pid: number | undefined): number {
  return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)])) / 1024;
}

test(`${crowd} idle connections and others that flood the server do not disturb other clients`, async (t) => {
  giveTime(t, process.env.SOAK ? 2 : 1);
  const store = await makeStore('postgres');
  t.teardown(store.drop);
  const { url, child, output } = await spawnServer(t, store.url);
  const server = await registerGateway(store, { url, issuer: url, stop: async () => {} });
  const { client, tokens } = await signIn(server);
  const before = memoryOf(child.pid);
  const idle = await dialMany(server, crowd);
  t.teardown(() => {
    for (const { socket } of idle) socket.destroy();
  });
  const half = idle.slice(0, crowd / 2);
  for (const { socket } of half) socket.write(head('/token', `${formType}Content-Length: 50\r\n\r\ngrant`));
  let over = false;
  const resetting = Array.from({ length: 2 }, async () => {
    while (!over) {
      const line = await dial(server);
      line.socket.write(head('/token', `${formType}Content-Length: 50000\r\n\r\n${'x'.repeat(20_000)}`));
      await sleep(30);
      line.socket.resetAndDestroy();
    }
  });
  const shouting = Array.from({ length: 2 }, async () => {
    while (!over) {
      const line = await dial(server);
      line.socket.write(head('/token', `${formType}Transfer-Encoding: chunked\r\n\r\n`));
      for (let i = 0; i < 20 && !line.socket.destroyed; i += 1) {
        line.socket.write(`4000\r\n${'x'.repeat(0x4000)}\r\n`);
        await sleep(10);
      }
      line.socket.destroy();
    }
  });
  let held = tokens.refresh_token;
  const memory: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    for (let i = 0; i < 10; i += 1) {
      const next = tokensOf(await refresh(server, client, held));
      held = next.refresh_token;
      t.true(await isActive(server, next.access_token));
    }
    memory.push(memoryOf(child.pid));
  }
  over = true;
  await Promise.all([...resetting, ...shouting]);
  t.log(`MiB: ${[before, ...memory].map(Math.round).join(' ')}`);
  // The first rounds fill caches that a process always needs; after that memory must not grow with each round.
  const settled = memory.slice(2);
  t.true(Math.max(...settled) < Math.min(...settled) + 128, 'memory is steady');
  const failures = output()
    .split('\n')
    .filter((line) => line.startsWith('{') && JSON.parse(line).level > 30);
  t.deepEqual(failures, [], 'errors that clients cause on their own connections are not logged as errors');
  t.is((await send(`${url}/jwks`)).status, 200);
  t.is(child.exitCode, null);
});
