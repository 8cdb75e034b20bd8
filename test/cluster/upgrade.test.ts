// A rolling upgrade: nodes of the previous version and of this one side by side, on a database that this one has migrated.
// Each version reads correctly what the other writes. Sealed keys, browser sessions and tokens come from the previous one.
import type { ExecutionContext } from 'ava';
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import { readTrailTable } from '../../src/core/audit/partitions.ts';
import { password } from '../helpers/builders.ts';
import { type Answer, send } from '../helpers/client.ts';
import { answerPages, getCode, logIn, sentTo, startRequest } from '../helpers/code_flow.ts';
import { connectDevice } from '../helpers/devices.ts';
import { proofFor } from '../helpers/dpop.ts';
import { api, isActive, login, refresh, revoke, type Tokens, tokensOf } from '../helpers/oauth.ts';
import type { TestServer } from '../helpers/server.ts';
import { until } from '../helpers/until.ts';
import {
  addClient,
  addScene,
  addUser,
  enter,
  type Holder,
  post,
  type Stage,
  testOnUpgrade,
  tokenOf,
} from '../helpers/upgrade.ts';
import { countTrail } from '../helpers/upgrade_load.ts';
import { textOf } from '../helpers/user_agent.ts';

async function refreshAt(server: TestServer, holder: Holder): Promise<Answer> {
  const { key, client, tokens } = holder;
  const extra = key ? { headers: { DPoP: await proofFor(key, 'POST', `${server.issuer}/token`) } } : {};
  return await refresh(server, client, tokens.refresh_token, {}, extra);
}

/** The answers of both nodes about a token. */
async function seen(stage: Stage, value: string): Promise<unknown[]> {
  return [await isActive(stage.old, value), await isActive(stage.new, value)];
}

testOnUpgrade(
  'sessions of every kind from before an upgrade are refreshed by both versions in turn',
  async (t, stage) => {
    t.is(stage.holders.length, 6);
    for (const holder of stage.holders) {
      t.deepEqual(await seen(stage, holder.first.access_token), [true, true], holder.kind);
      for (const at of [stage.new, stage.old, stage.new, stage.old, stage.new]) {
        const { status, body } = await refreshAt(at, holder);
        t.is(status, 200, `${holder.kind}: ${JSON.stringify(body)}`);
        holder.tokens = body as unknown as Tokens;
        t.deepEqual(await seen(stage, holder.tokens.access_token), [true, true], holder.kind);
      }
      await until(async () => (await rotationsOf(stage, holder)).length === 5, `rotations of ${holder.kind}`);
      const reused = await refreshAt(stage.old, { ...holder, tokens: holder.first });
      t.is(reused.status, 400, holder.kind);
      t.deepEqual(await seen(stage, holder.tokens.access_token), [false, false], `${holder.kind}, reused`);
      t.is((await refreshAt(stage.new, holder)).status, 400, holder.kind);
    }
  },
);

/** The rotations of a session that this version shows: its own from the ring, those of the previous one from the trail. */
async function rotationsOf(stage: Stage, { first }: Holder): Promise<unknown[]> {
  const path = `GET /admin/sessions/${first.session_id}`;
  const { body } = await api(stage.new, path, await enter(stage.new));
  return body.rotations as unknown[];
}

testOnUpgrade('flows that were in progress during an upgrade complete', async (t, stage) => {
  const { exchanged, device, loginPage, clientToken } = stage.underWay;
  t.deepEqual(await seen(stage, exchanged.access_token), [true, true], 'of a code');
  t.deepEqual(await seen(stage, clientToken), [true, true], 'of a client');
  stage.pass(stage.new);
  const connected = await connectDevice(device.scene, device.started);
  t.deepEqual(await seen(stage, connected.access_token), [true, true], 'of a device');
  const { scene, page } = loginPage;
  const signedIn = await scene.ua.submit(page, '/login', { username: scene.user.username, password });
  const back = await answerPages(scene, signedIn);
  t.truthy(back.searchParams.get('code'), 'a login page');
});

testOnUpgrade(
  'every event that was recorded while the trail was partitioned is in it, and both versions find it',
  async (t, stage) => {
    const { load, old } = stage;
    if (!load) {
      t.is(old.store, 'sqlite');
      return;
    }
    // A lock that a migration takes may cost a request its turn: the client is told to come again, and nothing is lost.
    t.deepEqual(
      load.refused.filter((one) => !one.includes('temporarily_unavailable')),
      [],
    );
    // Rotations and the tokens of clients are written in batches, a second later.
    const total = (counts: object) => Object.values(counts).reduce((sum, one) => sum + one, 0);
    const isWritten = async () => total(await countTrail(old.db, load)) >= total(load.answered);
    await until(isWritten, 'all are written');
    t.deepEqual(await countTrail(old.db, load), load.answered);
    for (const at of [stage.old, stage.new]) {
      const path = `GET /admin/events?user_id=${load.user.id}&type=session_opened&limit=200`;
      const { body } = await api(at, path, await enter(at));
      const found = body.events as object[];
      t.is(found.length, Math.min(200, load.answered.session_opened ?? 0), at.url);
    }
    const partitions = (await readTrailTable(old.db))?.partitions.map(({ name }) => name) ?? [];
    t.deepEqual(partitions.slice(-2), ['audit_events_default', 'audit_events_first']);
  },
);

testOnUpgrade('a browser that was signed in before an upgrade stays signed in', async (t, stage) => {
  const { scene } = stage;
  for (const at of [stage.new, stage.old, stage.new]) {
    stage.pass(at);
    const page = await scene.ua.open(`${at.issuer}/account`);
    t.regex(textOf(page), new RegExp(`Your account.*${scene.user.username}`), at.url);
    const silent = await startRequest(scene, { prompt: 'none', scope: 'openid profile' });
    const back = sentTo(await scene.ua.open(silent.url.href));
    const tokens = await oidc.authorizationCodeGrant(scene.config, back, silent.checks);
    t.deepEqual(await seen(stage, tokens.access_token), [true, true], at.url);
  }
});

testOnUpgrade(
  'an upgrade keeps the algorithm of the keys and of each client, and both versions rotate the keys',
  async (t, stage) => {
    const { db } = stage.new;
    const algsOf = async (status: 'current' | 'upcoming') =>
      await db('signing_keys').where({ status }).pluck('alg');
    const clients = await db('clients').whereIn('client_id', [stage.app.client_id, stage.scene.client_id]);
    t.deepEqual(
      clients.map(({ metadata }) => metadata.id_token_signed_response_alg),
      ['ES256', 'ES256'],
    );
    const metadata = await send(`${stage.new.url}/.well-known/openid-configuration`);
    t.deepEqual(metadata.body.id_token_signing_alg_values_supported, ['ES256']);
    for (const [first, second] of bothWays(stage)) {
      t.truthy((await post(first, '/keys/rotate', { force: true })).kid);
      t.deepEqual([await algsOf('current'), await algsOf('upcoming')], [['ES256'], ['ES256']]);
      const holder = await openAt(stage, first, await addUser(first));
      await until(
        async () => await isActive(second, holder.tokens.access_token),
        'the other version has the new key',
      );
      stage.pass(first);
      const scene = await addScene(second);
      const { id_token = '' } = await logIn(scene, { scope: 'openid profile' });
      t.is(decodeProtectedHeader(id_token).alg, 'ES256', 'of a client that was made since');
    }
  },
);

testOnUpgrade('either version exchanges the codes of the other', async (t, stage) => {
  for (const [first, second] of bothWays(stage)) {
    stage.pass(first);
    const scene = await addScene(first);
    const { back, started } = await getCode(scene);
    stage.pass(second);
    const tokens = await oidc.authorizationCodeGrant(scene.config, back, started.checks);
    t.deepEqual(await seen(stage, tokens.access_token), [true, true]);
    t.is(await isSignedIn(stage, second, scene), true, 'the browser is still signed in');
  }
});

async function isSignedIn(stage: Stage, at: TestServer, { ua }: Awaited<ReturnType<typeof addScene>>) {
  stage.pass(at);
  return textOf(await ua.open(`${at.issuer}/account`)).includes('Your account');
}

function bothWays(stage: Stage): [TestServer, TestServer][] {
  return [
    [stage.new, stage.old],
    [stage.old, stage.new],
  ];
}

interface Two {
  user: Holder['user'];
  holders: Holder[];
}

/** A user with a session from each version. */
async function openTwo(stage: Stage): Promise<Two> {
  const user = await addUser(stage.old);
  const holders: Holder[] = [];
  for (const at of [stage.old, stage.new]) holders.push(await openAt(stage, at, user));
  return { user, holders };
}

async function openAt({ app }: Stage, at: TestServer, user: Holder['user']): Promise<Holder> {
  const tokens = tokensOf(await login(at, user, app));
  return { kind: 'plain', user, client: app, first: tokens, tokens };
}

/** Asserts that this session has ended on both nodes: its tokens are inactive and its refresh is refused. */
async function assertEnded(t: ExecutionContext, stage: Stage, holder: Holder, why: string): Promise<void> {
  t.deepEqual(await seen(stage, holder.tokens.access_token), [false, false], why);
  for (const at of [stage.old, stage.new]) t.is((await refreshAt(at, holder)).status, 400, why);
}

async function assertAlive(t: ExecutionContext, stage: Stage, holder: Holder, why: string): Promise<void> {
  t.deepEqual(await seen(stage, holder.tokens.access_token), [true, true], why);
  for (const at of [stage.new, stage.old]) {
    const { status, body } = await refreshAt(at, holder);
    t.is(status, 200, `${why}: ${JSON.stringify(body)}`);
    holder.tokens = body as unknown as Tokens;
    const page = await api(at, 'GET /sessions', holder.tokens.access_token);
    const listed = (page.body.sessions as { id: string }[]).map(({ id }) => id);
    t.true(listed.includes(holder.tokens.session_id), `${why}: listed`);
  }
}

type Ending = (at: TestServer, two: Two) => Promise<Answer>;
const own = (line: string, json: object = {}): Ending => {
  return async (at, { holders }) => await api(at, line, holders[0]?.tokens.access_token, { json });
};
const byAdmin = (verb: string): Ending => {
  return async (at, { user }) =>
    await api(at, `POST /admin/users/${user.id}/${verb}`, await enter(at), { json: { reason: 'upgrade' } });
};
const ofAll: Record<string, Ending> = {
  'logout everywhere': own('POST /logout', { logout_all: true }),
  'a forced logout': byAdmin('force-logout'),
  'a ban': byAdmin('ban'),
  'a disabling': byAdmin('disable'),
};

for (const [name, end] of Object.entries(ofAll)) {
  testOnUpgrade(
    `${name} at either version holds at the other, and logins after it do, too`,
    async (t, stage) => {
      for (const [at] of bothWays(stage)) {
        const two = await openTwo(stage);
        t.is((await end(at, two)).status, 200);
        for (const holder of two.holders) await assertEnded(t, stage, holder, name);
        const back = name === 'a ban' ? 'unban' : name === 'a disabling' ? 'enable' : null;
        if (back) {
          for (const one of [stage.old, stage.new])
            t.not((await login(one, two.user, stage.app)).status, 200);
          await post(at, `/users/${two.user.id}/${back}`, { reason: 'upgrade' });
          for (const holder of two.holders) await assertEnded(t, stage, holder, back);
        }
        for (const one of [stage.old, stage.new])
          await assertAlive(t, stage, await openAt(stage, one, two.user), `a login after ${name}`);
      }
    },
  );
}

testOnUpgrade(
  'a change of the password at either version ends all sessions but its own',
  async (t, stage) => {
    for (const [at] of bothWays(stage)) {
      const two = await openTwo(stage);
      const [keeper, other] = two.holders as [Holder, Holder];
      const new_password = `${password}, and more of it`;
      const json = { current_password: password, new_password };
      t.is((await api(at, 'POST /me/password', keeper.tokens.access_token, { json })).status, 200);
      await assertEnded(t, stage, other, 'the other session');
      const { body } = await refreshAt(at, keeper);
      await assertAlive(
        t,
        stage,
        { ...keeper, tokens: body as unknown as Tokens },
        'the session that changed it',
      );
      for (const one of [stage.old, stage.new]) t.not((await login(one, two.user, stage.app)).status, 200);
    }
  },
);

testOnUpgrade(
  'a session that is ended or revoked at either version is ended at the other',
  async (t, stage) => {
    for (const [at] of bothWays(stage)) {
      const { holders } = await openTwo(stage);
      const [first, second] = holders as [Holder, Holder];
      const { session_id } = second.tokens;
      t.is((await api(at, `DELETE /sessions/${session_id}`, first.tokens.access_token)).status, 204);
      await assertEnded(t, stage, second, 'ended');
      await assertAlive(t, stage, first, 'not ended');
      t.is((await revoke(at, first.tokens.refresh_token, first.client)).status, 200);
      await assertEnded(t, stage, first, 'revoked');
    }
  },
);

testOnUpgrade(
  'a browser that is signed out at either version is signed out at the other',
  async (t, stage) => {
    for (const [at, other] of bothWays(stage)) {
      stage.pass(other);
      const scene = await addScene(other);
      const tokens = (await logIn(scene, { scope: 'openid offline_access' })) as unknown as Tokens;
      stage.pass(at);
      await scene.ua.submit(await scene.ua.open(`${at.issuer}/account`), '/account/logout');
      t.false(await isSignedIn(stage, other, scene));
      t.deepEqual(await seen(stage, tokens.access_token), [false, false]);
    }
  },
);

testOnUpgrade('clients and users that either version created work at the other', async (t, stage) => {
  for (const [at, other] of bothWays(stage)) {
    const machine = await addClient(at, {
      grant_types: ['client_credentials'],
      token_endpoint_auth_method: 'client_secret_post',
      first_party: true,
      scope: 'account',
    });
    t.deepEqual(await seen(stage, await tokenOf(other, machine)), [true, true]);
    const user = await addUser(at);
    const app = await addClient(at, { first_party: true, token_endpoint_auth_method: 'none' });
    const tokens = tokensOf(await login(other, user, { client_id: app.client_id }));
    t.deepEqual(await seen(stage, tokens.access_token), [true, true]);
  }
});

testOnUpgrade(
  'resource servers of either version keep the type of their tokens until it is set',
  async (t, stage) => {
    const user = await addUser(stage.new);
    for (const [at, other] of bothWays(stage)) {
      const identifier = `https://typed-by-${at === stage.old ? 'old' : 'new'}.example/`;
      await post(at, '/resource-servers', { identifier, scope: 'orders:read' });
      const path = `/admin/resource-servers/${encodeURIComponent(identifier)}`;
      const form = { resource: identifier, scope: 'orders:read' };
      const issued = async (from: TestServer) =>
        tokensOf(await login(from, user, stage.app, form)).access_token;
      t.like((await api(stage.new, `GET ${path}`, await enter(stage.new))).body, {
        access_token_typ: 'at+jwt',
      });
      for (const one of [at, other]) t.deepEqual(await seen(stage, await issued(one)), [true, true]);
      const change = async (by: TestServer, json: object) =>
        await api(by, `PATCH ${path}`, await enter(by), { json });
      t.is((await change(stage.new, { access_token_typ: 'JWT' })).status, 200);
      t.is((await change(stage.old, { name: 'Orders' })).status, 200);
      t.deepEqual(await seen(stage, await issued(stage.old)), [true, true], 'of the previous version');
      const typed = await issued(stage.new);
      t.is(decodeProtectedHeader(typed).typ, 'JWT');
      t.is(await isActive(stage.new, typed), true, 'the previous version does not know this type');
    }
  },
);

testOnUpgrade(
  'clients keep their rotation profile, and both versions give a new one of the profile web its window',
  async (t, stage) => {
    const profileOf = async ({ client_id }: { client_id: string }) => {
      const { body } = await api(stage.new, `GET /admin/clients/${client_id}`, await enter(stage.new));
      return [body.rotation_profile, body.refresh_token_retry_window];
    };
    for (const client of [stage.app, stage.scene]) t.deepEqual(await profileOf(client), ['strict', 0]);
    const web = await addClient(stage.new, {
      first_party: true,
      token_endpoint_auth_method: 'client_secret_post',
      grant_types: ['password', 'refresh_token'],
    });
    t.deepEqual(await profileOf(web), ['web', 20]);
    const user = await addUser(stage.old);
    for (const at of [stage.new, stage.old]) {
      const tokens = tokensOf(await login(at, user, web));
      const next = tokensOf(await refresh(at, web, tokens.refresh_token));
      await rotatedAt(at, tokens.session_id, 60);
      const again = tokensOf(await refresh(at, web, tokens.refresh_token));
      t.is(again.refresh_token, next.refresh_token, at.url);
      await rotatedAt(at, tokens.session_id, -21);
      t.is((await refresh(at, web, tokens.refresh_token)).body.reason, 'token_reused', at.url);
    }
  },
);

/** Sets the time of the last rotation to `seconds` from now. */
async function rotatedAt({ db }: TestServer, id: string, seconds: number): Promise<void> {
  await db('sessions')
    .where({ id })
    .update({ rotated_at: new Date(Date.now() + seconds * 1000) });
}

// The last test of the file, because it retires the keys of the tokens of the others.
testOnUpgrade('either version rotates the signing keys, and both go on', async (t, stage) => {
  const { user, holders } = await openTwo(stage);
  for (const [at, other] of bothWays(stage)) {
    const { kid } = await post<{ kid: string }>(at, '/keys/rotate', { force: true });
    await until(async () => (await signs(other, stage, user)) === kid);
    t.is(await signs(at, stage, user), kid);
    for (const holder of holders) {
      t.deepEqual(await seen(stage, holder.tokens.access_token), [true, true]);
      for (const one of [stage.old, stage.new]) await verify(one, holder.tokens.access_token);
    }
  }
});

/** The key with which a node signs. */
async function signs(at: TestServer, stage: Stage, user: Holder['user']): Promise<string | undefined> {
  return (await verify(at, (await openAt(stage, at, user)).tokens.access_token)).protectedHeader.kid;
}

async function verify({ url, issuer }: TestServer, jwt: string) {
  return await jwtVerify(jwt, createRemoteJWKSet(new URL(`${url}/jwks`)), { issuer });
}
