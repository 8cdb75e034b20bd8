// Documents and keys that are fetched for clients: how long they are cached, and what a failure reveals.
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createSocketServer } from 'node:net';
import type { ExecutionContext } from 'ava';
import { exportJWK, SignJWT } from 'jose';
import { createOutgoing } from '../../../src/oidc/request/outgoing.ts';
import { makeClient } from '../../helpers/builders.ts';
import { makeKey } from '../../helpers/dpop.ts';
import { token } from '../../helpers/oauth.ts';
import { makeResourceServer } from '../../helpers/resources.ts';
import { type Settings, type TestServer, testOnOwnServers } from '../../helpers/server.ts';
import { testOnStores } from '../../helpers/stores.ts';
import { openPair } from '../../helpers/twins.ts';
import { openUserAgent, textOf } from '../../helpers/user_agent.ts';

async function serve(t: ExecutionContext, answer: RequestListener) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    answer(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

const ageOf = (response: Response) =>
  Number(/^max-age=(\d+)$/.exec(response.headers.get('cache-control') ?? '')?.[1]);

testOnStores('fetched keys are cached for at most an hour', async (t, store) => {
  const { deps } = await openPair(t, store, { FETCH_PRIVATE_ADDRESSES: 'true' });
  const outgoing = createOutgoing(deps);
  const { url, asked } = await serve(t, (request, response) => {
    response.setHeader('cache-control', request.url === '/long' ? 'public, max-age=31536000' : 'no-store');
    response.end('{"keys":[]}');
  });
  for (const path of ['/long', '/short']) {
    for (let i = 0; i < 2; i += 1) {
      const response = await outgoing.fetch(`${url}${path}`, {});
      t.is(await response.text(), '{"keys":[]}');
      const [longest, shortest] = path === '/long' ? [3_600, 3_000] : [60, 30];
      t.true(ageOf(response) <= longest && ageOf(response) >= shortest, `${path}: ${ageOf(response)}`);
    }
  }
  t.deepEqual(asked, ['GET /long', 'GET /short']);
});

testOnStores(
  'keys are fetched with the limits of keys, also from a URL that was sent as a client_id',
  async (t, store) => {
    const { deps } = await openPair(t, store, { FETCH_PRIVATE_ADDRESSES: 'true' });
    const outgoing = createOutgoing(deps);
    const large = `{"keys":[${' '.repeat(10_000)}]}`;
    const { url, asked } = await serve(t, (_request, response) => response.end(large));
    t.true(await outgoing.allowDocument(undefined, `${url.replace('http:', 'https:')}/keys`));
    await t.throwsAsync(outgoing.fetch(url, { redirect: 'manual' }), { message: 'the answer is too large' });
    for (let i = 0; i < 2; i += 1) t.is(await (await outgoing.fetch(url, {})).text(), large);
    t.is(asked.length, 2);
  },
);

testOnStores('no redirect is followed, and a key set that is too large is refused', async (t, store) => {
  const { deps } = await openPair(t, store, { FETCH_PRIVATE_ADDRESSES: 'true' });
  const outgoing = createOutgoing(deps);
  const { url, asked } = await serve(t, (request, response) => {
    if (request.url === '/moved') response.writeHead(302, { location: '/keys' }).end();
    else response.end(`{"keys":[${' '.repeat(100_000)}]}`);
  });
  await t.throwsAsync(outgoing.fetch(`${url}/moved`, {}), { message: 'the fetch failed' });
  await t.throwsAsync(outgoing.fetch(`${url}/large`, {}), { message: 'the answer is too large' });
  t.deepEqual(asked, ['GET /moved', 'GET /large']);
});

testOnStores('a message to a client is delivered unchanged, and its answer is read', async (t, store) => {
  const { deps } = await openPair(t, store, { FETCH_PRIVATE_ADDRESSES: 'true' });
  const bodies: string[] = [];
  const { url } = await serve(t, async (request, response) => {
    for await (const chunk of request) bodies.push(String(chunk));
    response.statusCode = request.url === '/gone' ? 410 : 204;
    response.end();
  });
  const outgoing = createOutgoing(deps);
  const send = (path: string) =>
    outgoing.fetch(`${url}${path}`, {
      method: 'POST',
      headers: new Headers({ 'content-type': 'application/x-www-form-urlencoded' }),
      body: new URLSearchParams({ logout_token: 'ä' }),
    });
  t.is((await send('/')).status, 204);
  t.is((await send('/gone')).status, 410);
  t.deepEqual(bodies, ['logout_token=%C3%A4', 'logout_token=%C3%A4']);
  const guarded = createOutgoing({
    ...deps,
    config: { ...deps.config, fetchPrivateAddresses: false },
  });
  await t.throwsAsync(guarded.fetch(url, { method: 'POST' }), { message: /reserved/ });
});

/** Starts a login with a client of this id; returns the answer and the milliseconds it took. */
async function enter(server: TestServer, client_id: string) {
  const begun = performance.now();
  const query = new URLSearchParams({ client_id, response_type: 'code' });
  const page = await openUserAgent(server.url).send(`${server.url}/authorize?${query}`);
  const text = textOf(page)
    .replace(/Reference \S+/, '')
    .replaceAll(client_id, 'the id');
  return {
    status: page.status,
    retry: page.headers.get('retry-after'),
    text,
    took: performance.now() - begun,
  };
}

/** A port that counts connections and sends nothing, and a closed port. */
async function openPorts(t: ExecutionContext) {
  let connections = 0;
  const silent = createSocketServer((socket) => {
    connections += 1;
    socket.on('error', () => {});
  }).listen(0, '127.0.0.1');
  const closed = createSocketServer().listen(0, '127.0.0.1');
  await Promise.all([once(silent, 'listening'), once(closed, 'listening')]);
  const ports = [silent, closed].map((one) => (one.address() as AddressInfo).port);
  closed.close();
  await once(closed, 'close');
  t.teardown(() => silent.close());
  return { silent: ports[0], closed: ports[1], connections: () => connections };
}

const documents: Settings = { CLIENT_ID_METADATA_DOCUMENTS: 'true' };

testOnOwnServers(
  'a document that cannot be fetched reveals nothing about the internal network',
  documents,
  async (t, server) => {
    const ports = await openPorts(t);
    const { url: plain, asked } = await serve(t, (_request, response) => response.end('{}'));
    const answers = await Promise.all(
      [
        `https://127.0.0.1:${ports.silent}/a`,
        `https://127.0.0.1:${ports.closed}/a`,
        `https://localhost:${ports.silent}/a`,
        `https://localhost:${ports.closed}/a`,
        `${plain.replace('http:', 'https:')}/a`,
        'https://there-is-no-such-name.invalid/a',
        'https://169.254.169.254/latest/meta-data',
      ].map((id) => enter(server, id)),
    );
    const [first] = answers;
    for (const { status, retry, text, took } of answers) {
      t.deepEqual([status, retry, text], [503, '10', first?.text]);
      t.true(took >= 2_400, `${took}`);
    }
    t.deepEqual([ports.connections(), asked], [0, []]);
  },
);

testOnOwnServers(
  'when private addresses are allowed, closed and silent ports get the same answer',
  { ...documents, FETCH_PRIVATE_ADDRESSES: 'true' },
  async (t, server) => {
    const ports = await openPorts(t);
    const ids = [`https://127.0.0.1:${ports.silent}/a`, `https://127.0.0.1:${ports.closed}/a`];
    const [silent, closed] = await Promise.all(ids.map((id) => enter(server, id)));
    t.deepEqual([silent?.status, silent?.text], [closed?.status, closed?.text]);
    t.true(Number(closed?.took) >= 2_400);
    t.is(silent?.status, 503);
  },
);

testOnOwnServers(
  'the documents fetched for one address are limited per minute',
  { ...documents, RATE_LIMITS: 'memory' },
  async (t, server) => {
    const ids = Array.from({ length: 33 }, (_, i) => `https://127.0.0.1:1/${i}`);
    const answers = await Promise.all(ids.map((id) => enter(server, id)));
    t.is(answers.filter(({ status }) => status === 503).length, 30);
    const refused = answers.filter(({ status }) => status === 429);
    t.is(refused.length, 3);
    for (const { retry } of refused) t.true(Number(retry) > 0);
  },
);

testOnOwnServers(
  'the keys of a client that an administrator made are fetched while anonymous requests use up the limit',
  { ...documents, RATE_LIMITS: 'memory', FETCH_PRIVATE_ADDRESSES: 'true' },
  async (t, server) => {
    const { publicKey, privateKey } = await makeKey();
    const jwk = { ...(await exportJWK(publicKey)), kid: 'mine', alg: 'ES256', use: 'sig' };
    const { url, asked } = await serve(t, (_request, response) =>
      response.end(JSON.stringify({ keys: [jwk] })),
    );
    const { client_id } = await makeClient(server.db, {
      token_endpoint_auth_method: 'private_key_jwt',
      jwks_uri: `${url}/jwks`,
      grant_types: ['client_credentials'],
      scope: 'orders:read',
      first_party: false,
    });
    const { form } = await makeResourceServer(server);
    const ids = Array.from({ length: 31 }, (_, i) => `https://127.0.0.1:1/${i}`);
    const answers = await Promise.all(ids.map((id) => enter(server, id)));
    t.true(answers.some(({ status }) => status === 429));
    const client_assertion = await new SignJWT({ jti: 'once' })
      .setProtectedHeader({ alg: 'ES256', kid: 'mine' })
      .setIssuer(client_id)
      .setSubject(client_id)
      .setAudience(server.issuer)
      .setIssuedAt()
      .setExpirationTime('10m')
      .sign(privateKey);
    const answer = await token(server, {
      grant_type: 'client_credentials',
      ...form,
      client_assertion,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    });
    t.is(answer.status, 200, answer.text);
    t.deepEqual(asked, ['GET /jwks']);
  },
);
