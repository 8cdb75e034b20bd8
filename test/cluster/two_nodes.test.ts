// Nodes share only the database: what one node has answered holds on the others from the next request on.
import { isDeepStrictEqual } from 'node:util';
import { changeUserStatus } from '../../src/core/actions/user_status.ts';
import { findSession } from '../../src/core/sessions/find_session.ts';
import { findUser } from '../../src/core/users/users.ts';
import { makeClient, makeUser } from '../helpers/builders.ts';
import { type Answer, assertRefused, granted, send } from '../helpers/client.ts';
import { testOnNodes } from '../helpers/nodes.ts';
import { api, introspect, isActive, login, refresh, revoke, signIn, tokensOf } from '../helpers/oauth.ts';
import type { TestServer } from '../helpers/server.ts';
import { until } from '../helpers/until.ts';

const ended = { status: 400, error: 'invalid_grant', reason: 'session_ended' };
const inactive = { active: false };

testOnNodes('nodes that start at once on an empty database agree on everything', async (t, nodes) => {
  const [{ db }] = nodes;
  // Each node makes upcoming keys while it answers already, and learns from a notice or by asking which of them were kept.
  await until(async () => {
    const sets = await Promise.all(nodes.map(async ({ url }) => granted(await send(`${url}/jwks`)).keys));
    const [first] = sets;
    const isWhole = Array.isArray(first) && first.length === 4;
    return isWhole && sets.every((keys) => isDeepStrictEqual(keys, first));
  }, 'one key set of four keys on all nodes');
  const [first, ...others] = nodes;
  const { user, client, tokens } = await signIn(first, { form: { scope: 'openid account' } });
  for (const node of others) {
    t.is((await api(node, 'GET /me', tokens.access_token)).body.id, user.id);
    t.is(await isActive(node, tokens.access_token), true);
    const asked = await send(`${node.url}/userinfo`, { token: tokens.access_token });
    t.deepEqual(asked.body, { sub: user.id });
    tokens.refresh_token = tokensOf(await refresh(node, client, tokens.refresh_token)).refresh_token;
  }
  const migrations = await db('knex_migrations').select('name');
  t.is(new Set(migrations.map((row) => row.name)).size, migrations.length, 'each migration ran once');
  const current = await db('signing_keys').where({ status: 'current' }).orderBy('alg').pluck('alg');
  t.deepEqual(current, ['ES256', 'RS256'], 'one key of each algorithm');
});

testOnNodes('a session that ends on one node is ended on the other at once', async (t, [a, b]) => {
  const { db } = a;
  const client = await makeClient(db);
  const open = async () => await signIn(a, { client });

  const banned = await open();
  t.is(await isActive(b, banned.tokens.access_token), true);
  await changeUserStatus(db, banned.user.id, { status: 'banned', actor: 'admin' });
  for (const node of [a, b]) {
    t.deepEqual(await introspect(node, banned.tokens.access_token), inactive);
    const reason = 'account_banned';
    assertRefused(t, await refresh(node, client, banned.tokens.refresh_token), { ...ended, reason });
    assertRefused(t, await login(node, banned.user, client), { ...ended, reason });
  }

  const revoked = await open();
  await revoke(a, revoked.tokens.access_token, client);
  t.deepEqual(await introspect(b, revoked.tokens.access_token), inactive);

  const left = await open();
  granted(await api(b, 'POST /logout', left.tokens.access_token));
  t.deepEqual(await introspect(a, left.tokens.access_token), inactive);
  assertRefused(t, await refresh(a, client, left.tokens.refresh_token), ended);

  const stolen = await open();
  const other = await signIn(b, { client, user: stolen.user });
  const next = tokensOf(await refresh(a, client, stolen.tokens.refresh_token));
  const caught = await refresh(b, client, stolen.tokens.refresh_token);
  assertRefused(t, caught, { ...ended, reason: 'token_reused' });
  assertRefused(t, await refresh(a, client, next.refresh_token), ended);
  t.deepEqual(await introspect(a, other.tokens.access_token), inactive);
  const healed = tokensOf(await refresh(a, client, other.tokens.refresh_token));
  t.is(await isActive(b, healed.access_token), true);
});

/** Fifty uses of one token, alternating between the nodes. */
async function race(nodes: TestServer[], client: { client_id: string }, value: string): Promise<Answer[]> {
  const uses = Array.from({ length: 50 }, (_, i) => nodes[i % nodes.length] as TestServer);
  return await Promise.all(uses.map((node) => refresh(node, client, value)));
}

testOnNodes(
  '50 strict uses of one token on two nodes: one succeeds, and the session ends',
  async (t, nodes) => {
    const [{ db }] = nodes;
    for (let round = 0; round < 3; round += 1) {
      const { client, user, tokens } = await signIn(nodes[0]);
      const answers = await race(nodes, client, tokens.refresh_token);
      const winners = answers.filter((answer) => answer.status === 200).map(tokensOf);
      const reasons = answers.map((answer) => answer.body.reason).filter(Boolean);
      t.is(winners.length, 1);
      t.deepEqual(reasons.toSorted(), [...Array(48).fill('session_ended'), 'token_reused']);
      for (const node of nodes) {
        assertRefused(t, await refresh(node, client, winners[0]?.refresh_token ?? ''), ended);
        t.deepEqual(await introspect(node, winners[0]?.access_token ?? ''), inactive);
      }
      t.is((await findUser(db, user.id))?.token_version, 1, 'treated as reuse once');
    }
  },
);

testOnNodes(
  '50 uses on two nodes inside the window: one successor, and the session lives',
  async (t, nodes) => {
    const [{ db }] = nodes;
    const client = await makeClient(db, { rotation_profile: 'spa' });
    for (let round = 0; round < 3; round += 1) {
      const { tokens } = await signIn(nodes[0], { client });
      const answers = (await race(nodes, client, tokens.refresh_token)).map(tokensOf);
      const successors = new Set(answers.map((answer) => answer.refresh_token));
      t.is(successors.size, 1);
      const [successor = ''] = successors;
      t.is((await findSession(db, tokens.session_id))?.generation, 1);
      tokensOf(await refresh(nodes[1], client, successor));
    }
  },
);

testOnNodes('three processes write to one database concurrently, and no write is lost', async (t, nodes) => {
  const [{ db }] = nodes;
  const client = await makeClient(db);
  const lives = Array.from({ length: 24 }, async (_, i) => {
    const node = (shift: number) => nodes[(i + shift) % nodes.length] as TestServer;
    const user = await makeUser(db);
    const { tokens } = await signIn(node(0), { user, client, form: { device_id: `writer-${i}` } });
    let { refresh_token, access_token } = tokens;
    for (let shift = 1; shift <= 4; shift += 1) {
      ({ refresh_token, access_token } = tokensOf(await refresh(node(shift), client, refresh_token)));
    }
    const renamed = await api(node(0), 'PATCH /me', access_token, { json: { username: `writer-${i}` } });
    const logout = i % 2 === 0 ? await api(node(1), 'POST /logout', access_token) : null;
    return [renamed.status, logout?.status ?? 200];
  });
  t.deepEqual(await Promise.all(lives), Array(24).fill([200, 200]));
  const sessions = await db('sessions').where({ client_id: client.client_id });
  t.deepEqual(
    sessions.map((one) => one.generation),
    Array(24).fill(4),
  );
  t.is(sessions.filter((one) => one.ended_reason === 'logout').length, 12);
  t.is((await db('devices').where('device_id', 'like', 'writer-%')).length, 24);
  t.is((await db('users').where('username', 'like', 'writer-%')).length, 24);
});
