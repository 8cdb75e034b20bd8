// The bench's generator: how it reads answers, and that it accepts no wrong one.
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { decodeJwt, EmbeddedJWK, jwtVerify } from 'jose';
import { createProver, newProofKey } from '../../bench/generator/dpop.ts';
import { type Chain, drive } from '../../bench/generator/drive.ts';
import { idOf, saltOf } from '../../bench/generator/hop.ts';
import { formRequests, getRequest, parseAnswer } from '../../bench/generator/http.ts';
import { type Load, makeChains } from '../../bench/generator/loads.ts';
import type { ReceivedTokens } from '../../bench/generator/received_tokens.ts';
import { mintRefreshToken } from '../../src/core/sessions/refresh_token.ts';
import { createKeyring } from '../../src/lib/crypto.ts';
import { newId } from '../../src/lib/ids.ts';

const answers = {
  'a length': 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\nDate: x\r\n\r\nhello',
  chunks: 'HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n',
};

for (const [how, text] of Object.entries(answers)) {
  test(`an answer with ${how} is accepted when it has arrived completely, and not before`, (t) => {
    for (let length = 0; length < text.length; length += 1) t.is(parseAnswer(text.slice(0, length)), null);
    t.deepEqual(parseAnswer(text), {
      status: how === 'chunks' ? 404 : 200,
      body: 'hello',
      head: text.split('\r\n\r\n')[0],
    });
  });
}

async function serve(t: ExecutionContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function echo(url: string, seen: string[]): Chain {
  const request = formRequests(url, '/echo', 'X-Bench: yes\r\n');
  return {
    next: () => request('a=b&c=d'),
    take: (status, body) => void seen.push(`${status} ${body}`),
  };
}

test('a round sends the given number of requests, on one connection for each chain', async (t) => {
  const ports = new Set<number>();
  const url = await serve(t, async (request, response) => {
    ports.add(request.socket.remotePort ?? 0);
    let body = '';
    for await (const part of request) body += part;
    response.write(`${request.method} ${request.url} `);
    response.end(`${request.headers['x-bench']} ${body}`);
  });
  const seen: string[] = [];
  const port = Number(new URL(url).port);
  const round = await drive([echo(url, seen), echo(url, seen)], port, process.pid, { count: 10 });
  t.is(round.count, 10);
  t.deepEqual(seen, Array(10).fill('200 POST /echo yes a=b&c=d'));
  t.is(ports.size, 2);
});

test('a unit of several requests counts once, and what only prepares does not count', async (t) => {
  const asked: string[] = [];
  const url = await serve(t, (request, response) => {
    asked.push(request.url ?? '');
    response.setHeader('X-Part', asked.length);
    response.end('x');
  });
  let step = 0;
  const parts = ['uncounted', 'unfinished', undefined] as const;
  const chain: Chain = {
    next: () => getRequest(url, `/${step % 3}`, ''),
    take(_status, _body, head) {
      t.true(head.includes(`X-Part: ${step + 1}`));
      step += 1;
      return parts[(step - 1) % 3];
    },
  };
  const round = await drive([chain], Number(new URL(url).port), process.pid, { count: 2 });
  t.is(round.count, 2);
  t.deepEqual(asked, ['/0', '/1', '/2', '/0', '/1', '/2']);
});

test('a proof of DPoP is signed by its key and names the request', async (t) => {
  const key = newProofKey();
  const prove = createProver(key, 'https://as.example/token');
  const [one, other] = [prove(), prove()];
  const { payload, protectedHeader } = await jwtVerify(one, EmbeddedJWK, { typ: 'dpop+jwt' });
  t.deepEqual(
    [payload.htm, payload.htu, protectedHeader.jwk],
    ['POST', 'https://as.example/token', { kty: 'EC', crv: 'P-256', x: key.x, y: key.y }],
  );
  t.not(decodeJwt(one).jti, decodeJwt(other).jti);
});

test('a round ends with an error when the server closes a connection instead of answering', async (t) => {
  const url = await serve(t, (request) => void request.socket.destroy());
  const port = Number(new URL(url).port);
  await t.throwsAsync(drive([echo(url, [])], port, process.pid, { count: 1 }), {
    message: 'the server closed the connection',
  });
});

const secret = 'YSBzZWNyZXQgZm9yIHRoZSBiZW5jaCwgYW5kIG5vdGhpbmcgZWxzZQ';
const keyring = createKeyring([secret]);
const url = 'http://127.0.0.1:1';

function refreshToken(id: string, generation: number, salt: Buffer = Buffer.alloc(16)): string {
  return mintRefreshToken(keyring, { id, salt }, generation);
}

function accessToken(claims: object): string {
  return `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`;
}

function noTokens(): ReceivedTokens {
  return { newest: new Map(), kept: [] };
}

/** What the first chain of a load finds wrong with an answer; null when it accepts it. */
function judge(load: Load, body: object, status = 200, received = noTokens()): string | null {
  const [chain] = makeChains(load, received);
  chain?.next();
  try {
    chain?.take(status, JSON.stringify(body), '');
    return null;
  } catch (error) {
    return (error as Error).message.split(':')[0] ?? '';
  }
}

const sid = newId();
const other = newId();

test('a refresh is right only with the next generation of the same session and an access token of it', (t) => {
  const first = [refreshToken(sid, 3)];
  const load: Load = { kind: 'refresh', url, client_id: 'bench', tokens: 'kindred', first };
  const answer = (id: string, generation: number, owner: string) => ({
    refresh_token: refreshToken(id, generation),
    access_token: accessToken({ sid: owner }),
  });
  t.is(judge(load, answer(sid, 4, sid)), null);
  const wrong = 'not the successor that was due';
  t.is(judge(load, answer(sid, 3, sid)), wrong);
  t.is(judge(load, answer(sid, 5, sid)), wrong);
  t.is(judge(load, answer(other, 4, sid)), wrong);
  t.is(judge(load, answer(sid, 4, other)), wrong);
  t.is(judge(load, {}, 400), 'a refresh was answered 400');
});

test('a chain of refreshes presents the token it received, and keeps access tokens for another load', (t) => {
  const received = noTokens();
  const first = [refreshToken(sid, 0)];
  const load: Load = { kind: 'refresh', url, client_id: 'bench', tokens: 'kindred', first, keep: true };
  const [chain] = makeChains(load, received);
  const access_token = accessToken({ sid });
  const successor = refreshToken(sid, 1);
  chain?.take(200, JSON.stringify({ refresh_token: successor, access_token }), '');
  t.true(chain?.next()?.endsWith(`refresh_token=${successor}`));
  t.deepEqual([received.kept, [...received.newest.values()]], [[access_token], [access_token]]);
});

test('a hop is right only for the session that it presented', (t) => {
  const sessions = { total: 1, start: Date.now(), step: 1 };
  const load: Load = { kind: 'hop', url, client_id: 'bench', secret, sessions, chains: 1 };
  const id = idOf(sessions, 0);
  const answer = (generation: number, owner: string) => ({
    refresh_token: refreshToken(id, generation, saltOf(0)),
    access_token: accessToken({ sid: owner }),
  });
  t.is(judge(load, answer(1, id)), null);
  t.is(judge(load, answer(0, id)), 'not the successor that was due');
  t.is(judge(load, answer(1, other)), 'not the successor that was due');
});

test('an introspection is right only when it describes the token of the request', (t) => {
  const claims = { sub: 'ada', sid, jti: 'one' };
  const repeated = [accessToken(claims)];
  const load: Load = {
    kind: 'introspection',
    url,
    caller: { client_id: 'x', client_secret: 'x' },
    repeated,
    chains: 1,
  };
  t.is(judge(load, { active: true, ...claims }), null);
  const wrong = 'an introspection was answered 200';
  t.is(judge(load, { active: false }), wrong);
  t.is(judge(load, { active: true, ...claims, jti: 'two' }), wrong);
  t.is(judge(load, { active: true, ...claims, sub: 'eve' }), wrong);
  t.is(judge(load, { active: true, ...claims, sid: other }), wrong);
});

test('each new token is introspected once, and then the chain ends', (t) => {
  const received = { ...noTokens(), kept: [accessToken({ jti: 'one' }), accessToken({ jti: 'two' })] };
  const given = received.kept.toReversed();
  const load: Load = {
    kind: 'introspection',
    url,
    caller: { client_id: 'x', client_secret: 'x' },
    repeated: [],
    chains: 1,
  };
  const [chain] = makeChains(load, received);
  const asked = [chain?.next(), chain?.next(), chain?.next()].map((one) => one?.split('token=')[1] ?? null);
  t.deepEqual(asked, [...given, null]);
});

test('a list of sessions is right only when it is complete and marks the current one', (t) => {
  const load: Load = { kind: 'sessions', url, tokens: ['x'], current: [sid], length: 2 };
  const list = (...current: string[]) => ({
    sessions: [sid, other].map((id) => ({ id, is_current: current.includes(id) })),
  });
  t.is(judge(load, list(sid)), null);
  const wrong = 'a list of sessions was answered 200';
  t.is(judge(load, list(other)), wrong);
  t.is(judge(load, list(sid, other)), wrong);
  t.is(judge(load, { sessions: [{ id: sid, is_current: true }] }), wrong);
  t.is(judge(load, list(sid), 401), 'a list of sessions was answered 401');
});

test('a login is right only with the first refresh token of a session and an access token of it', (t) => {
  const load: Load = { kind: 'login', url, client_id: 'bench', password: 'x', usernames: ['ada'] };
  const answer = (generation: number, owner: string) => ({
    refresh_token: refreshToken(sid, generation),
    access_token: accessToken({ sid: owner }),
  });
  t.is(judge(load, answer(0, sid)), null);
  t.is(judge(load, answer(1, sid)), 'not the tokens of a new session');
  t.is(judge(load, answer(0, other)), 'not the tokens of a new session');
  t.is(judge(load, {}, 400), 'a login was answered 400');
});
