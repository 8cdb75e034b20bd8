// Two nodes whose clocks are three minutes apart. What one issues is valid on the other for its lifetime and no longer. The
// clocks of the test and of Postgres are right.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { exportJWK, jwtVerify, SignJWT } from 'jose';
import * as oidc from 'openid-client';
import { clientToken, enterAsAdmin, post } from '../helpers/admin.ts';
import { makeClient } from '../helpers/builders.ts';
import { type Answer, assertRefused, granted, send } from '../helpers/client.ts';
import {
  answerPages,
  getCode,
  publicClient,
  sentTo,
  setUpScene,
  startRequest,
  typePassword,
} from '../helpers/code_flow.ts';
import { makeKey, proofFor } from '../helpers/dpop.ts';
import { type LoadBalancer, openLoadBalancer } from '../helpers/load_balancer.ts';
import {
  api,
  introspect,
  keySetOf,
  login,
  refresh,
  revoke,
  signIn,
  token,
  tokensOf,
} from '../helpers/oauth.ts';
import { makeConfidentialClient, makeResourceServer } from '../helpers/resources.ts';
import { type RunningServer, registerGateway, runServerProcess, type TestServer } from '../helpers/server.ts';
import { makeStore, type OwnStore } from '../helpers/stores.ts';
import { until, untilTime } from '../helpers/until.ts';

/** Lifetime of tokens in seconds: far less than the difference of the clocks, and enough for a busy machine. */
const lifetime = 40;
const skew = 90;

interface Pair {
  store: OwnStore;
  running: RunningServer[];
  /** The one address of both nodes; one test of a code flow uses it at a time. */
  balancer: LoadBalancer;
  ahead: TestServer;
  behind: TestServer;
}

let pair: Pair;

test.before('two nodes start, one 90 s ahead and one 90 s behind', async () => {
  const store = await makeStore('postgres');
  const balancer = await openLoadBalancer();
  const preload = new URL('../helpers/children/shift_clock.ts', import.meta.url).href;
  const settings = { ISSUER: balancer.url, ACCESS_TOKEN_TTL: String(lifetime) };
  const start = async (seconds: number) =>
    await runServerProcess(store.url, { ...settings, CLOCK_SHIFT: String(seconds * 1000) }, [
      '--import',
      preload,
    ]);
  const [first, second] = await Promise.all([start(skew), start(-skew)]);
  const ahead = await registerGateway(store, first);
  const behind = await registerGateway(store, second);
  pair = { store, balancer, running: [first, second], ahead, behind };
});

test.after.always('the nodes stop', async () => {
  await Promise.all(pair.running.map((one) => one.stop()));
  await pair.balancer.close();
  await pair.store.drop();
});

/** Both directions: the node that issues and the node that uses. */
function directions(): [string, TestServer, TestServer][] {
  const { ahead, behind } = pair;
  return [
    ['issued ahead, used behind', ahead, behind],
    ['issued behind, used ahead', behind, ahead],
  ];
}

const seconds = () => Date.now() / 1000;

/** Waits until `exp` has passed on the right clock. */
async function outlive(exp: number): Promise<void> {
  await untilTime(exp * 1000 + 1_100);
}

/** Asserts that the times of a token requested at `asked` are right to a second or two. */
function assertTimes(
  t: ExecutionContext,
  claims: { iat?: unknown; exp?: unknown },
  asked: number,
  title: string,
): void {
  const iat = Number(claims.iat);
  t.true(iat >= asked - 2 && iat <= seconds() + 1, `${title}: iat is wrong by ${iat - asked}`);
  t.is(Number(claims.exp) - iat, lifetime, `${title}: lifetime`);
}

const invalidToken = { status: 401, error: 'invalid_token' };

test('access and ID tokens of either node have the right times and live equally long on both', async (t) => {
  await Promise.all(
    directions().map(async ([title, here, there]) => {
      const asked = seconds();
      const { tokens, client } = await signIn(here, { form: { scope: 'openid account' } });
      const keys = keySetOf(there);
      // As a resource server and a client verify them, with a tolerance of one second for an `iat` in the future.
      const options = { issuer: here.issuer, maxTokenAge: lifetime, clockTolerance: 1 };
      const access = await jwtVerify(tokens.access_token, keys, options);
      const identity = await jwtVerify(String(tokens.id_token), keys, options);
      for (const { payload } of [access, identity]) {
        assertTimes(t, payload, asked, title);
        const at = Number(payload.auth_time);
        t.true(at >= asked - 2 && at <= seconds() + 1, `${title}: auth_time`);
      }
      t.is(tokens.expires_in, lifetime);
      for (const node of [here, there]) {
        t.is((await api(node, 'GET /me', tokens.access_token)).status, 200, title);
        t.is((await send(`${node.url}/userinfo`, { token: tokens.access_token })).status, 200, title);
        const said = await introspect(node, tokens.access_token);
        t.deepEqual([said.active, said.iat, said.exp], [true, access.payload.iat, access.payload.exp], title);
      }
      const next = tokensOf(await refresh(there, client, tokens.refresh_token));
      t.is(next.refresh_token_expires_in, tokens.refresh_token_expires_in, title);
      await outlive(Number(access.payload.exp));
      for (const node of [here, there]) {
        assertRefused(t, await api(node, 'GET /me', tokens.access_token), invalidToken, title);
        t.is((await send(`${node.url}/userinfo`, { token: tokens.access_token })).status, 401, title);
        t.deepEqual(await introspect(node, tokens.access_token), { active: false }, title);
      }
    }),
  );
});

test('opaque tokens and tokens of clients live equally long on both nodes', async (t) => {
  await Promise.all(
    directions().flatMap(([title, here, there]) =>
      (['opaque', 'jwt'] as const).map(async (format) => {
        const orders = await makeResourceServer(here, format);
        const asked = seconds();
        const { tokens } = await signIn(here, { form: orders.form });
        const robot = await makeConfidentialClient(here, {
          grant_types: ['client_credentials'],
          scope: 'orders:read',
        });
        const own = await clientToken(here, robot, { resource: orders.identifier, scope: 'orders:read' });
        let last = 0;
        for (const value of [tokens.access_token, own]) {
          for (const node of [here, there]) {
            const said = await introspect(node, value, orders.client);
            t.true(said.active, `${title}, ${format}`);
            assertTimes(t, said, asked, `${title}, ${format}`);
            last = Math.max(last, Number(said.exp));
          }
        }
        await outlive(last);
        for (const value of [tokens.access_token, own]) {
          for (const node of [here, there]) {
            t.deepEqual(
              await introspect(node, value, orders.client),
              { active: false },
              `${title}, ${format}`,
            );
          }
        }
      }),
    ),
  );
});

test('a token that one node revoked is inactive on the other until it has expired', async (t) => {
  for (const [title, here, there] of directions()) {
    const { tokens, client } = await signIn(here);
    t.is((await revoke(here, tokens.access_token, client)).status, 200);
    t.deepEqual(await introspect(there, tokens.access_token), { active: false }, title);
  }
});

test('idle and absolute expiry are the same on both nodes', async (t) => {
  const lives = [
    { session_idle_ttl: 30, title: 'idle' },
    { session_absolute_ttl: 30, title: 'absolute' },
  ];
  await Promise.all(
    directions().flatMap(([direction, here, there]) =>
      lives.map(async ({ title, ...ttl }) => {
        const client = await makeClient(here.db, { ...ttl, refresh_token_retry_window: 60 });
        const { tokens } = await signIn(here, { client });
        t.true(tokens.refresh_token_expires_in <= 30 && tokens.refresh_token_expires_in > 0, title);
        const next = tokensOf(await refresh(there, client, tokens.refresh_token));
        const last = tokensOf(await refresh(here, client, next.refresh_token));
        await sleep(31_000);
        const expired = { status: 400, error: 'invalid_grant', reason: 'session_expired' };
        for (const node of [here, there]) {
          const message = `${direction}, ${title}`;
          assertRefused(t, await refresh(node, client, last.refresh_token), expired, message);
          t.deepEqual(await introspect(node, last.access_token), { active: false }, message);
        }
      }),
    ),
  );
});

/** Tries to log in until the answer is 200; returns the time of that. */
async function untilLoggedIn(ask: () => Promise<Answer>): Promise<number> {
  await until(async () => (await ask()).status === 200, 'the login is answered with 200');
  return seconds();
}

test('a ban with an end ends at the right time, whichever node imposed it', async (t) => {
  await Promise.all(
    directions().map(async ([title, here, there]) => {
      const admin = await enterAsAdmin(here);
      const { user, client } = await signIn(here);
      const end = Math.ceil(seconds()) + 20;
      const json = { reason: 'test', expires_at: new Date(end * 1000).toISOString() };
      granted(await post(here, admin, `/users/${user.id}/ban`, json));
      const past = { reason: 'test', expires_at: new Date((seconds() - 30) * 1000).toISOString() };
      assertRefused(t, await post(here, admin, `/users/${user.id}/ban`, past), {
        status: 400,
        error: 'invalid_request',
      });
      const ends = await Promise.all(
        [here, there].map((node) => untilLoggedIn(() => login(node, user, client))),
      );
      for (const at of ends) t.true(at >= end, `${title}: ${at - end}`);
    }),
  );
});

test('a client secret with an end is valid until then on both nodes, and no longer', async (t) => {
  await Promise.all(
    directions().map(async ([title, here, there]) => {
      const admin = await enterAsAdmin(here, { ttl: 600 });
      const orders = await makeResourceServer(here);
      const robot = await makeConfidentialClient(here, {
        grant_types: ['client_credentials'],
        scope: 'orders:read',
      });
      const begun = seconds();
      const path = `/clients/${robot.client_id}/secrets`;
      const added = await post(there, admin, path, { previous_expires_in: lifetime, expires_in: 600 });
      t.is(added.status, 201);
      const ends = Date.parse(String(added.body.expires_at)) / 1000;
      t.true(ends >= begun + 599 && ends <= seconds() + 601, title);
      const ask = async (node: TestServer, client_secret: string) =>
        await token(node, {
          grant_type: 'client_credentials',
          client_id: robot.client_id,
          client_secret,
          ...orders.form,
        });
      const young = String(added.body.client_secret);
      for (const node of [here, there]) {
        for (const secret of [robot.client_secret, young]) t.is((await ask(node, secret)).status, 200, title);
      }
      await outlive(seconds() + lifetime);
      const refusal = { status: 401, error: 'invalid_client' };
      for (const node of [here, there]) {
        assertRefused(t, await ask(node, robot.client_secret), refusal, title);
        t.is((await ask(node, young)).status, 200, title);
      }
      t.is((await post(there, admin, path)).status, 201, 'the expired secret no longer counts');
    }),
  );
});

test('assertions and proofs of clients with a right clock are accepted by both nodes, old ones by neither', async (t) => {
  for (const [title, here, there] of directions()) {
    const key = await makeKey();
    const jwk = { ...(await exportJWK(key.publicKey)), kid: 'mine', alg: 'ES256', use: 'sig' };
    const { client_id } = await makeClient(here.db, {
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [jwk] },
      grant_types: ['client_credentials'],
      scope: 'orders:read',
      first_party: false,
    });
    const orders = await makeResourceServer(here);
    const ask = async (node: TestServer, claims: object) => {
      const now = Math.floor(seconds());
      const all = {
        iss: client_id,
        sub: client_id,
        aud: node.issuer,
        jti: randomUUID(),
        iat: now,
        ...claims,
      };
      const signed = new SignJWT(all).setProtectedHeader({ alg: 'ES256', kid: 'mine' });
      const client_assertion = await signed.sign(key.privateKey);
      const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
      const form = {
        grant_type: 'client_credentials',
        client_assertion,
        client_assertion_type,
        ...orders.form,
      };
      return await token(node, form);
    };
    for (const node of [here, there]) {
      const now = Math.floor(seconds());
      t.is((await ask(node, { exp: now + 30, nbf: now - 1 })).status, 200, title);
      const refusal = { status: 401, error: 'invalid_client' };
      assertRefused(t, await ask(node, { exp: now - 1 }), refusal, `${title}, expired`);
      assertRefused(t, await ask(node, { exp: now + 90, nbf: now + 60 }), refusal, `${title}, not yet`);
    }
    const bound = await makeKey();
    const proof = await proofFor(bound, 'POST', `${here.issuer}/token`);
    const { tokens } = await signIn(here, { extra: { headers: { DPoP: proof } } });
    const me = async (node: TestServer, age: number) => {
      const claims = { iat: Math.floor(seconds()) - age };
      const sent = { accessToken: tokens.access_token, claims };
      const DPoP = await proofFor(bound, 'GET', `${here.issuer}/api/me`, sent);
      const headers = { Authorization: `DPoP ${tokens.access_token}`, DPoP };
      return (await send(`${node.url}/api/me`, { headers })).status;
    };
    for (const node of [here, there]) {
      t.deepEqual([await me(node, 200), await me(node, 310), await me(node, -200)], [200, 401, 200], title);
    }
  }
});

// One after the other: the tests share the one address that the browser knows.
test.serial('a login of two nodes: page, code, tokens, single sign-on, a pushed request', async (t) => {
  for (const [title, here, there] of directions()) {
    const { balancer } = pair;
    await balancer.to(here);
    const asked = seconds();
    const scene = await setUpScene({ ...here, url: balancer.url });
    const { code, back, started } = await getCode(scene);
    t.truthy(code);
    await balancer.to(there);
    const tokens = await oidc.authorizationCodeGrant(scene.config, back, started.checks);
    const claims = tokens.claims();
    assertTimes(t, claims ?? {}, asked, title);
    t.true(Number(claims?.auth_time) >= asked - 2 && Number(claims?.auth_time) <= seconds() + 1, title);

    // The login was less than two and a half minutes ago on any clock.
    const silent = await startRequest(scene, { prompt: 'none', max_age: '150' });
    const sent = sentTo(await scene.ua.open(silent.url.href));
    t.is(sent.searchParams.get('error'), null, title);
    await balancer.to(here);
    const checks = { ...silent.checks, maxAge: 150 };
    const again = await oidc.authorizationCodeGrant(scene.config, sent, checks);
    t.is(again.claims()?.auth_time, claims?.auth_time, title);
    const next = await oidc.refreshTokenGrant(scene.config, String(again.refresh_token));
    t.is(next.claims()?.auth_time, claims?.auth_time, title);

    const pushed = await startRequest(scene);
    const url = await oidc.buildAuthorizationUrlWithPAR(scene.config, pushed.parameters);
    await balancer.to(there);
    const asOther = { ...scene, ua: scene.ua };
    const answered = await answerPages(asOther, await scene.ua.open(url.href));
    t.truthy(answered.searchParams.get('code'), `${title}: ${answered.href}`);
  }
});

test.serial('a page of one node is answered at the other, and a device is connected there', async (t) => {
  for (const [title, here, there] of directions()) {
    const { balancer } = pair;
    await balancer.to(here);
    const scene = await setUpScene({ ...here, url: balancer.url });
    const started = await startRequest(scene);
    const page = await scene.ua.open(started.url.href);
    await balancer.to(there);
    const consent = await typePassword(scene.ua, page, scene.user);
    await balancer.to(here);
    const back = await answerPages(scene, consent);
    await balancer.to(there);
    t.truthy((await oidc.authorizationCodeGrant(scene.config, back, started.checks)).id_token, title);

    const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';
    await balancer.to(here);
    const grants = [deviceGrant, 'refresh_token'];
    const client = { ...publicClient, redirect_uris: [], response_types: [], grant_types: grants };
    const { config, ua, user } = await setUpScene({ ...here, url: balancer.url }, { client });
    const begun = await oidc.initiateDeviceAuthorization(config, { scope: 'openid' });
    await balancer.to(there);
    const entered = await ua.submit(await ua.open(`${balancer.url}/device`), '/device', {
      user_code: begun.user_code,
    });
    const loginPage = await ua.submit(entered, '/device', { confirm: 'yes' });
    await balancer.to(here);
    const asks = await typePassword(ua, loginPage, user);
    await ua.submit(asks, '/consent', { decision: 'allow' });
    await balancer.to(there);
    const { device_code } = begun;
    const connected = await oidc.genericGrantRequest(config, deviceGrant, { device_code });
    const at = Number(connected.claims()?.auth_time);
    t.true(Math.abs(at - seconds()) < 150, title);
  }
});
