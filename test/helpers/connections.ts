// Connections as clients hold them, watched while the server at their other end stops.
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { makeClient, makeUser } from './builders.ts';
import { login, tokensOf } from './oauth.ts';
import type { Store } from './stores.ts';

/** What became of the requests of one connection: `lost` were accepted and never answered. */
export interface Tally {
  answered: number;
  lost: string[];
  statuses: Set<number | undefined>;
  lastHeader: string | undefined;
}

/** Refreshes one session over one connection, again and again, until nobody listens any more. */
export async function refreshUntilTheEnd(url: string, client_id: string, first: string): Promise<Tally> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const tally: Tally = { answered: 0, lost: [], statuses: new Set(), lastHeader: undefined };
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
      // Nobody took the connection: that request was never accepted.
      const { code, syscall } = error as NodeJS.ErrnoException;
      if (code !== 'ECONNREFUSED') tally.lost.push(`${syscall} ${code}`);
      agent.destroy();
      return tally;
    }
  }
}

/** A form on a connection that is kept. */
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

/** So many sessions of one user, by their refresh tokens. */
export async function signedIn(store: Store, url: string, count: number) {
  const server = { ...store, store: store.name, databaseUrl: store.url, url, issuer: url };
  const client = await makeClient(store.db);
  const user = await makeUser(store.db);
  const tokens: string[] = [];
  for (let i = 0; i < count; i += 1) tokens.push(tokensOf(await login(server, user, client)).refresh_token);
  return { client_id: client.client_id, tokens };
}

/** A request whose second half is still to come. */
export async function half(t: ExecutionContext, url: string, path: string) {
  const { port } = new URL(url);
  const socket = connect(Number(port), '127.0.0.1').setEncoding('utf8');
  t.teardown(() => socket.destroy());
  let heard = '';
  socket.on('data', (data) => (heard += data)).on('error', () => {});
  await once(socket, 'connect');
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\na=b`,
  );
  await sleep(100);
  return { finish: () => socket.write('&c=d'), closed: once(socket, 'close'), heard: () => heard };
}
