// Draining on a machine so busy that the process hardly runs: no request may be lost.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import test from 'ava';
import { createDrain } from '../../../src/http/listener/drain.ts';

const request = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

/** Blocks the event loop of this process. */
function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

async function listen(server: Server): Promise<() => ReturnType<typeof connect>> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return () => connect(port, '127.0.0.1').setEncoding('utf8');
}

test('connections in the backlog when a server stops are answered, however long that takes', async (t) => {
  const server = createServer((_request, response) => response.writeHead(200, { Connection: 'close' }).end());
  server.on('connection', () => block(25));
  const open = await listen(server);
  const drain = createDrain(server, { deadline: 60_000, quiet: 60_000 });
  // The system completes all connections before the server accepts the first.
  const sockets = Array.from({ length: 60 }, open);
  const stopped = drain.close();
  for (const socket of sockets) socket.write(request);
  const answers = await Promise.all(sockets.map((socket) => text(socket)));
  t.deepEqual([...new Set(answers.map((answer) => answer.slice(0, 15)))], ['HTTP/1.1 200 OK']);
  await stopped;
});

test('new connections do not keep a server from stopping', async (t) => {
  const server = createServer((_request, response) => response.end());
  const open = await listen(server);
  t.teardown(() => server.closeAllConnections());
  const drain = createDrain(server, { deadline: 60_000, quiet: 60_000 });
  server.on('connection', () => open().on('error', () => {}));
  open();
  await drain.stopListening();
  t.false(server.listening);
});

test('a request that arrives while a stopping server is blocked is answered', async (t) => {
  const server = createServer((_request, response) => response.end());
  const open = await listen(server);
  const drain = createDrain(server, { deadline: 60_000, quiet: 100 });
  const socket = open();
  socket.write(request);
  await once(socket, 'data');
  const stopped = drain.close();
  await drain.stopListening();
  socket.write(request);
  block(300);
  t.regex(await text(socket), /^HTTP\/1.1 200 OK/);
  await stopped;
});
