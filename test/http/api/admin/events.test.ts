// The audit trail through the admin API: which events there are, and how they are found.
import { newId } from '../../../../src/lib/ids.ts';
import { type Admin, clientToken, enterAsAdmin, post, read, trailOf } from '../../../helpers/admin.ts';
import { makeClient } from '../../../helpers/builders.ts';
import { assertRefused, type Json } from '../../../helpers/client.ts';
import { api, login, refresh, revoke, signIn, tokensOf } from '../../../helpers/oauth.ts';
import { makeConfidentialClient, makeResourceServer } from '../../../helpers/resources.ts';
import { type TestServer, testOnServers } from '../../../helpers/server.ts';

const extra = { headers: { 'User-Agent': 'the story’s agent'.normalize('NFKD').replace('’', '-') } };
const agent = extra.headers['User-Agent'];

/** The members of an event that do not differ between runs. */
function plot({ type, session_id, client_id, actor, actor_id, reason, detail }: Json): Json {
  return { type, session_id, client_id, actor, actor_id, reason, detail };
}

testOnServers('the audit trail has the story of a session without its plain rotations', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const client = await makeClient(server.db, { refresh_token_retry_window: 60 });
  const { user, tokens } = await signIn(server, { client, extra });
  const sid = tokens.session_id;
  const second = tokensOf(await refresh(server, client, tokens.refresh_token, {}, extra));
  await refresh(server, client, tokens.refresh_token, {}, extra);
  const third = tokensOf(await refresh(server, client, second.refresh_token, {}, extra));
  await revoke(server, third.access_token, client);
  t.is((await refresh(server, client, tokens.refresh_token, {}, extra)).body.reason, 'token_reused');
  const trail = await trailOf(server, admin, `session_id=${sid}`);
  const byClient = {
    session_id: sid,
    client_id: client.client_id,
    actor: 'client',
    actor_id: client.client_id,
    reason: null,
  };
  const noted = { ...byClient, actor: null, actor_id: null };
  t.deepEqual(trail.map(plot), [
    { ...byClient, type: 'session_opened', actor: 'user', actor_id: user.id, detail: null },
    { ...noted, type: 'refresh_token_retried', detail: { generation: 1 } },
    { ...byClient, type: 'access_token_revoked', detail: null },
    { ...byClient, type: 'refresh_token_reused', detail: { presented_generation: 0, current_generation: 2 } },
    { ...noted, type: 'session_ended', actor: 'system', reason: 'reuse_detected', detail: null },
  ]);
  for (const { user_id, ip, user_agent, request_id, type } of trail) {
    t.deepEqual([user_id, ip], [user.id, '127.0.0.1'], String(type));
    t.is(user_agent, type === 'access_token_revoked' ? null : agent, String(type));
    t.regex(String(request_id), /^[0-9a-f-]{36}$/, String(type));
  }
  const events = await trailOf(server, admin, `user_id=${user.id}`);
  t.deepEqual(events, trail);
});

testOnServers('the audit trail has the other events of tokens', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const observer = await makeClient(server.db, {
    rotation_profile: 'observe',
    refresh_token_retry_window: 0,
  });
  const { user, tokens } = await signIn(server, { client: observer });
  const next = tokensOf(await refresh(server, observer, tokens.refresh_token));
  await refresh(server, observer, next.refresh_token);
  await refresh(server, observer, tokens.refresh_token);
  await login(server, user, observer, { password: 'wrong password' });
  await login(server, { username: 'nobody-at-all' }, observer);
  await revoke(server, next.refresh_token, observer);
  const observed = await trailOf(server, admin, `client_id=${observer.client_id}`);
  t.deepEqual(
    observed.map(({ type, reason, user_id }) => [type, reason, user_id]),
    [
      ['session_opened', null, user.id],
      ['refresh_token_reuse_observed', null, user.id],
      ['refresh_token_retried', null, user.id],
      ['login_failed', 'wrong_credentials', user.id],
      ['login_failed', 'wrong_credentials', null],
      ['session_ended', 'token_revoked', user.id],
    ],
  );
  const { identifier } = await makeResourceServer(server, 'opaque');
  const machine = await makeConfidentialClient(server, {
    grant_types: ['client_credentials'],
    scope: 'orders:read',
  });
  const asked = { scope: 'orders:read', resource: identifier };
  await revoke(server, await clientToken(server, machine, asked), machine);
  await revoke(server, await clientToken(server, machine), machine);
  const { user: third, client, tokens: opaque } = await signIn(server, { form: { ...asked } });
  await revoke(server, opaque.access_token, machine);
  await revoke(server, opaque.access_token, client);
  const own = await trailOf(server, admin, `client_id=${machine.client_id}`);
  t.deepEqual(
    own.map(({ type, actor_id, session_id }) => [type, actor_id, session_id]),
    ['client_token_issued', 'access_token_revoked', 'client_token_issued', 'access_token_revoked'].map(
      (type) => [type, machine.client_id, null],
    ),
  );
  const [, revoked, ...rest] = await trailOf(server, admin, `user_id=${third.id}`);
  t.like(revoked, {
    type: 'access_token_revoked',
    session_id: opaque.session_id,
    actor_id: client.client_id,
  });
  t.deepEqual(rest, [], 'another client’s attempt is no revocation');
});

testOnServers('events are found by user, session, client, type and time', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const first = await signIn(server);
  const [one] = await trailOf(server, admin, `session_id=${first.tokens.session_id}`);
  const other = await signIn(server, { user: first.user });
  await revoke(server, other.tokens.access_token, other.client);
  await post(server, admin, `/users/${first.user.id}/ban`, { reason: 'spam' });
  const count = async (query: string) => (await trailOf(server, admin, query)).length;
  const user = `user_id=${first.user.id}`;
  t.is(await count(user), 6);
  t.is(await count(`${user}&session_id=${other.tokens.session_id}`), 3);
  t.is(await count(`client_id=${first.client.client_id}`), 2);
  t.is(await count(`${user}&type=session_opened`), 2);
  t.is(await count(`${user}&type=session_opened&client_id=${other.client.client_id}`), 1);
  t.is(await count(`${user}&type=nothing`), 0);
  t.is(await count(`user_id=${newId()}`), 0);
  const at = String(one?.created_at);
  t.is(await count(`${user}&from=${at}`), 6, 'from is included');
  t.is(await count(`${user}&to=${at}`), 0, 'to is not');
  const after = new Date(Date.parse(at) + 1).toISOString();
  t.is(await count(`${user}&from=${at}&to=${after}`), 1);
  t.is(await count(`${user}&from=${after}`), 5);
  t.is(await count(`${user}&from=2999-01-01T00:00:00Z`), 0);
  const elsewhere = new Date(Date.parse(at) + 3_600_000).toISOString().replace('Z', '+01:00');
  t.is(await count(`${user}&from=${encodeURIComponent(elsewhere)}&to=${after}`), 1, 'with an offset');
  t.is(await count(`${user}&from=${elsewhere}&to=${after}`), 1, 'with a + that arrives as a space');
  const malformed = { status: 400, error: 'invalid_request' };
  for (const wrong of [
    'from=yesterday',
    'to=1',
    'user_id=x',
    'session_id=%00',
    'type=%00',
    'client_id=%00',
    'actor=admin',
    'limit=0',
    'cursor=Im5vIGlkIg',
    `type=${'x'.repeat(51)}`,
  ]) {
    assertRefused(t, await api(server, `GET /admin/events?${wrong}`, admin.token), malformed, wrong);
  }
});

/** Pages through events while more arrive after every page. */
async function readWhileGrowing(
  server: TestServer,
  admin: Admin,
  query: string,
  grow: () => Promise<unknown>,
) {
  const seen: Json[] = [];
  let cursor: unknown = '';
  while (cursor !== null) {
    const page = await read(server, admin, `/events?limit=3&${query}${cursor ? `&cursor=${cursor}` : ''}`);
    seen.push(...(page.events as Json[]));
    cursor = page.next_cursor;
    await grow();
  }
  return seen;
}

testOnServers('the pages of the trail are complete and stable while events are added', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const client = await makeClient(server.db);
  const { user } = await signIn(server, { client });
  const grow = async () => await signIn(server, { client, user });
  for (let i = 0; i < 10; i += 1) await grow();
  const query = `client_id=${client.client_id}`;
  const before = await trailOf(server, admin, query);
  t.is(before.length, 11);
  const seen = await readWhileGrowing(server, admin, query, grow);
  t.deepEqual(seen, before.toReversed());
  t.is((await trailOf(server, admin, query)).length, 15);
});
