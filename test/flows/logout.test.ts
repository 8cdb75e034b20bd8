// Signing out in the browser on behalf of a client (RP-initiated), and back-channel logout of clients.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { ExecutionContext } from 'ava';
import { jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import { newId } from '../../src/lib/ids.ts';
import { enterAsAdmin, post } from '../helpers/admin.ts';
import { makeClient, makeUser } from '../helpers/builders.ts';
import { answerPages, logIn, type Scene, setUpScene, startRequest, webClient } from '../helpers/code_flow.ts';
import { api, isActive, keySetOf, signIn } from '../helpers/oauth.ts';
import { type TestServer, testOnOwnServers, testOnServers } from '../helpers/server.ts';
import { until } from '../helpers/until.ts';
import { textOf } from '../helpers/user_agent.ts';

const goodbye = 'https://app.example/bye';
const signedOut = { post_logout_redirect_uris: [goodbye] };

const endings = async ({ server, user }: Pick<Scene, 'server' | 'user'>) =>
  (await server.db('sessions').where({ user_id: user.id }).orderBy('id')).map((row) => row.ended_reason);

testOnServers(
  'signing out at a client ends every session of that browser, and no other',
  async (t, server) => {
    const scene = await setUpScene(server, { client: signedOut });
    const { ua, user, config } = scene;
    const tokens = await logIn(scene);
    const second = await setUpScene(server, { user, ua });
    const sibling = await logIn(second);
    const elsewhere = await setUpScene(server, { user });
    const far = await logIn(elsewhere);

    const id_token_hint = tokens.id_token ?? '';
    const url = oidc.buildEndSessionUrl(config, {
      id_token_hint,
      post_logout_redirect_uri: goodbye,
      state: 'x&y',
    });
    const done = await ua.open(url.href);
    t.deepEqual([done.status, done.location], [303, `${goodbye}?state=x%26y`]);
    t.deepEqual(await endings(scene), ['logout', 'logout', null]);
    t.deepEqual(
      [await isActive(server, tokens.access_token), await isActive(server, sibling.access_token)],
      [false, false],
    );
    await t.throwsAsync(oidc.refreshTokenGrant(config, tokens.refresh_token ?? ''));
    await oidc.refreshTokenGrant(elsewhere.config, far.refresh_token ?? '');
    const { url: next } = await startRequest(scene);
    t.regex(textOf(await ua.open(next.href)), /Sign in/);
  },
);

testOnServers('a user who declines to sign out stays signed in', async (t, server) => {
  const scene = await setUpScene(server, { client: signedOut });
  const { ua, user } = scene;
  const tokens = await logIn(scene);
  const second = await setUpScene(server, { user, ua });
  await logIn(second);
  const url = oidc.buildEndSessionUrl(scene.config);
  const page = await ua.open(url.href);
  t.regex(textOf(page), /Sign out\?/);
  t.true(await isActive(server, tokens.access_token), 'nothing happens before the answer');
  const done = await ua.submit(page, '/confirm');
  t.is(done.status, 200);
  t.is((await endings(scene))[1], null, 'the other client keeps its session');
  const { url: next } = await startRequest(second);
  t.is((await answerPages(second, await ua.open(next.href))).searchParams.has('code'), true);
});

testOnServers('after signing out the browser is redirected only to a registered URI', async (t, server) => {
  const scene = await setUpScene(server, { client: signedOut });
  const { id_token = '' } = await logIn(scene);
  for (const post_logout_redirect_uri of [
    'https://evil.example/',
    `${goodbye}/`,
    `${goodbye}?x=1`,
    `${goodbye}#x`,
    'https://app.example.evil.example/bye',
    'https://app.example@evil.example/bye',
    'HTTPS://app.example/bye',
    '//evil.example',
  ]) {
    const query = new URLSearchParams({ id_token_hint: id_token, post_logout_redirect_uri });
    const refused = await scene.ua.open(`${server.url}/logout?${query}`);
    t.deepEqual([refused.status, refused.location], [400, null], post_logout_redirect_uri);
    const nobody = await scene.ua.open(
      `${server.url}/logout?${new URLSearchParams({ post_logout_redirect_uri })}`,
    );
    t.is(nobody.status, 200);
    t.false(nobody.headers.get('content-security-policy')?.includes('evil'));
  }
  t.deepEqual(await endings(scene), [null]);
});

interface Receiver {
  url: string;
  heard: { token: string; type: string | undefined }[];
  /** Waits for that many notices. */
  until: (count: number) => Promise<void>;
}

/** A client's own server: answers 500 to the first `failures` notices. */
async function startReceiver(t: ExecutionContext, failures = 0): Promise<Receiver> {
  const heard: Receiver['heard'] = [];
  let left = failures;
  const server = createServer(async (request, response) => {
    const form = new URLSearchParams(await text(request));
    heard.push({ token: form.get('logout_token') ?? '', type: request.headers['content-type'] });
    left -= 1;
    response.writeHead(left >= 0 ? 500 : 204).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/logout`,
    heard,
    async until(count) {
      await until(() => heard.length >= count, `${count} notices`);
    },
  };
}

async function readNotice(server: TestServer, { client_id }: Scene, token: string) {
  const keys = keySetOf(server);
  const { payload, protectedHeader } = await jwtVerify(token, keys, {
    issuer: server.issuer,
    audience: client_id,
    typ: 'logout+jwt',
  });
  const { iat = 0, exp = 0, jti, ...claims } = payload;
  return { claims: claims as Record<string, unknown>, alg: protectedHeader.alg, lives: exp - iat, jti };
}

testOnOwnServers(
  'a client is notified of each session that ends, by any means, and again after a failure',
  { FETCH_PRIVATE_ADDRESSES: 'true' },
  async (t, server) => {
    const receiver = await startReceiver(t, 1);
    const client = { backchannel_logout_uri: receiver.url, backchannel_logout_session_required: true };
    const scene = await setUpScene(server, { client, user: await makeUser(server.db) });
    const { user, ua } = scene;
    const told = async (count: number) => {
      await receiver.until(count);
      const { token = '', type } = receiver.heard[count - 1] ?? {};
      t.regex(String(type), /^application\/x-www-form-urlencoded/);
      const { claims, jti, lives } = await readNotice(server, scene, token);
      t.is(typeof jti, 'string');
      t.true(lives > 0 && lives <= 900, String(lives));
      return claims;
    };
    const expected = (sid: string) => ({
      iss: server.issuer,
      aud: scene.client_id,
      sub: user.id,
      sid,
      events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
    });

    const first = await logIn(scene);
    await ua.open(oidc.buildEndSessionUrl(scene.config, { id_token_hint: first.id_token ?? '' }).href);
    t.deepEqual(await told(1), expected(first.session_id));
    t.deepEqual(await told(2), expected(first.session_id), 'the first try was answered with 500');

    const second = await logIn(scene);
    const me = await signIn(server, { user });
    t.is((await api(server, `DELETE /sessions/${second.session_id}`, me.tokens.access_token)).status, 204);
    t.deepEqual(await told(3), expected(second.session_id));

    const third = await logIn(scene);
    const admin = await enterAsAdmin(server);
    t.is((await post(server, admin, `/users/${user.id}/ban`, { reason: 'test' })).status, 200);
    t.deepEqual(await told(4), expected(third.session_id));
    await until(async () => (await server.db('outbox')).length === 0, 'all are delivered');
    t.is(receiver.heard.length, 4);
  },
);

testOnOwnServers('no notice is sent to a private address unless that is allowed', {}, async (t, server) => {
  const receiver = await startReceiver(t);
  const scene = await setUpScene(server, { client: { backchannel_logout_uri: receiver.url } });
  const tokens = await logIn(scene);
  await oidc.tokenRevocation(scene.config, tokens.refresh_token ?? '');
  await until(async () => ((await server.db('outbox'))[0]?.attempts ?? 0) > 0, 'delivery was attempted');
  t.deepEqual(receiver.heard, []);
});

testOnOwnServers(
  'a client that does not answer delays the notices of no other',
  { FETCH_PRIVATE_ADDRESSES: 'true', LOG_LEVEL: 'silent' },
  async (t, server) => {
    let asked = 0;
    const silent = createServer(() => (asked += 1)).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    t.teardown(() => {
      silent.closeAllConnections();
      silent.close();
    });
    const { port } = silent.address() as AddressInfo;
    const receiver = await startReceiver(t);
    const clients = await Promise.all(
      [`http://127.0.0.1:${port}/`, receiver.url].map((backchannel_logout_uri) =>
        makeClient(server.db, { ...webClient, backchannel_logout_uri }),
      ),
    );
    const due = new Date(Date.now() - 1_000);
    const notices = Array.from({ length: 121 }, (_, index) => ({
      id: newId(),
      kind: 'logout_token' as const,
      receiver: clients[index < 120 ? 0 : 1]?.client_id ?? '',
      subject: 'logout',
      session_id: newId(),
      user_id: newId(),
      attempts: 0,
      next_attempt_at: index < 120 ? due : new Date(),
      created_at: due,
    }));
    await server.db.transaction(async (tx) => {
      for (let at = 0; at < notices.length; at += 50) await tx('outbox').insert(notices.slice(at, at + 50));
    });
    await receiver.until(1);
    t.true(asked <= 8, `the silent one was asked ${asked} times before`);
  },
);
