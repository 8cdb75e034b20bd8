// Connections of clients, observed while the server stops.
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import type { ExecutionContext } from 'ava';
import { makeClient, makeUser } from './builders.ts';
import { login, tokensOf } from './oauth.ts';
import type { Store } from './stores.ts';
import { until, untilItFails } from './until.ts';

/** The outcomes of the requests of one connection; `lost` ones were accepted and never answered. */
export interface Tally {
  answered: number;
  lost: string[];
  statuses: Set<number | undefined>;
  lastHeader: string | undefined;
}

export interface Refreshing {
  /** The outcomes so far. */
  tally: Tally;
  /** Settles when the server has stopped listening. */
  over: Promise<void>;
}

/** Refreshes one session over one connection repeatedly until the server has stopped listening. */
export function refreshUntilTheEnd(url: string, client_id: string, first: string): Refreshing {
  const tally: Tally = { answered: 0, lost: [], statuses: new Set(), lastHeader: undefined };
  return { tally, over: refreshOn(url, client_id, first, tally) };
}

async function refreshOn(url: string, client_id: string, first: string, tally: Tally): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let refresh_token = first;
  for (;;) {
    try {
      const form = new URLSearchParams({ grant_type: 'refresh_token', client_id, refresh_token });
      const { response, body } = await post(agent, `${url}/token`, form.toString());
      tally.answered += 1;
      tally.statuses.add(response.statusCode);
      tally.lastHeader = response.headers.connection;
      refresh_token = JSON.parse(body).refresh_token ?? refresh_token;
    } catch (error) {
      // A refused connection means that the request was never accepted.
      const { code, syscall } = error as NodeJS.ErrnoException;
      if (code !== 'ECONNREFUSED') tally.lost.push(`${syscall} ${code}`);
      agent.destroy();
      return;
    }
  }
}

/** Posts a form on a kept-alive connection. */
export async function post(
  agent: Agent,
  url: string,
  body: string,
): Promise<{ response: IncomingMessage; body: string }> {
  const headers = {
    'Content-Type': 'application/x-www-form-urlencoded',
    'Content-Length': Buffer.byteLength(body),
  };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(url, { method: 'POST', agent, headers })
      .once('response', resolve)
      .once('error', reject)
      .end(body);
  });
  return { response, body: await text(response) };
}

/** Opens `count` sessions of one user; returns their refresh tokens. */
export async function openSessions(store: Store, url: string, count: number) {
  const server = { ...store, store: store.name, databaseUrl: store.url, url, issuer: url };
  const client = await makeClient(store.db);
  const user = await makeUser(store.db);
  const tokens: string[] = [];
  for (let i = 0; i < count; i += 1) tokens.push(tokensOf(await login(server, user, client)).refresh_token);
  return { client_id: client.client_id, tokens };
}

/** A request whose first half the server has read; `finish` sends the second. */
export async function sendHalfRequest(t: ExecutionContext, url: string, path: string) {
  const socket = await openSocket(t, url);
  let heard = '';
  socket.setEncoding('utf8').on('data', (data) => (heard += data));
  const closed = once(socket, 'close');
  const headers = [
    `POST ${path} HTTP/1.1`,
    'Host: x',
    'Content-Type: application/x-www-form-urlencoded',
    'Content-Length: 7',
    // The server answers this when it has read the headers, which shows no other way.
    'Expect: 100-continue',
  ];
  socket.write(`${headers.join('\r\n')}\r\n\r\n`);
  await until(() => heard === 'HTTP/1.1 100 Continue\r\n\r\n', 'the request is taken');
  heard = '';
  socket.write('a=b');
  return { finish: () => socket.write('&c=d'), closed, heard: () => heard };
}

/** A connection that the system has accepted for the server, even if the server has not noticed it yet. */
export async function openSocket(t: ExecutionContext, url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  return socket.on('error', () => {});
}

/** Waits until the server has stopped listening. */
export async function untilNotListening(t: ExecutionContext, url: string): Promise<void> {
  await untilItFails(async () => (await openSocket(t, url)).destroy(), 'the server stops listening');
}
