// `max_sessions` of a client, at every way in which a session begins.
import * as oidc from 'openid-client';
import { endSession } from '../../src/core/sessions/end_sessions.ts';
import { makeClient, makeUser } from '../helpers/builders.ts';
import { assertRefused } from '../helpers/client.ts';
import { getCode, logIn, publicClient, sentTo, setUpScene, startRequest } from '../helpers/code_flow.ts';
import { connectDevice, deviceGrant } from '../helpers/devices.ts';
import { login, refresh, signIn, tokensOf } from '../helpers/oauth.ts';
import { type TestServer, testOnServers } from '../helpers/server.ts';
import { openUserAgent } from '../helpers/user_agent.ts';

const evicted = {
  status: 400,
  error: 'invalid_grant',
  reason: 'session_ended',
  ended_reason: 'cap_evicted',
};

async function liveOf({ db }: TestServer, client_id: string): Promise<string[]> {
  return await db('sessions').where({ client_id }).whereNull('ended_at').orderBy('id').pluck('id');
}

async function letPass({ db }: TestServer, id: string, seconds: number): Promise<void> {
  const last_used_at = new Date(Date.now() - seconds * 1000);
  await db('sessions').where({ id }).update({ last_used_at });
}

testOnServers('a login by password beyond the cap ends the session unused for longest', async (t, server) => {
  const client = await makeClient(server.db, { max_sessions: 2 });
  const first = await signIn(server, { client });
  const second = await signIn(server, first);
  await letPass(server, first.tokens.session_id, 60);
  const used = tokensOf(await refresh(server, client, first.tokens.refresh_token));
  const third = await signIn(server, first);
  t.deepEqual(
    await liveOf(server, client.client_id),
    [first, third].map((one) => one.tokens.session_id).toSorted(),
  );
  assertRefused(t, await refresh(server, client, second.tokens.refresh_token), evicted);
  for (const { refresh_token } of [used, third.tokens])
    tokensOf(await refresh(server, client, refresh_token));
});

testOnServers('of ten logins by password at once none is refused', async (t, server) => {
  const client = await makeClient(server.db, { max_sessions: 2 });
  const user = await makeUser(server.db);
  const answers = await Promise.all(Array.from({ length: 10 }, () => login(server, user, client)));
  t.deepEqual([...new Set(answers.map((one) => one.status))], [200]);
  t.is((await liveOf(server, client.client_id)).length, 2);
});

const web = {
  ...publicClient,
  first_party: true,
  grant_types: ['authorization_code', 'refresh_token', deviceGrant],
  max_sessions: 2,
};

testOnServers('a code counts at its exchange, and a device at its first tokens', async (t, server) => {
  const scene = await setUpScene(server, { client: web });
  const { client_id, user } = scene;
  const elsewhere = () => ({ ...scene, ua: openUserAgent(server.url) });
  const first = await logIn(scene);
  const second = await logIn(elsewhere());
  const { back, started } = await getCode(elsewhere());
  await letPass(server, String(first.session_id), 60);
  t.is((await liveOf(server, client_id)).length, 3, 'the code waits');
  const third = await oidc.authorizationCodeGrant(scene.config, back, started.checks);
  t.deepEqual(await liveOf(server, client_id), [second.session_id, String(third.session_id)].toSorted());
  await letPass(server, second.session_id, 60);
  const device = await connectDevice(elsewhere());
  const live = await server.db('sessions').where({ user_id: user.id }).whereNull('ended_at').pluck('id');
  t.deepEqual(live.toSorted(), [String(third.session_id), String(device.session_id)].toSorted());
  assertRefused(t, await refresh(server, { client_id }, String(second.refresh_token)), evicted);
});

testOnServers('a silent renewal pushes out no other device', async (t, server) => {
  const scene = await setUpScene(server, { client: web });
  const phone = await logIn({ ...scene, ua: openUserAgent(server.url) });
  await letPass(server, phone.session_id, 3_600);
  let last = await logIn(scene);
  for (let i = 0; i < 3; i += 1) {
    const started = await startRequest(scene, { prompt: 'none' });
    const back = sentTo(await scene.ua.send(started.url.href));
    last = (await oidc.authorizationCodeGrant(scene.config, back, started.checks)) as typeof last;
    t.deepEqual(await liveOf(server, scene.client_id), [phone.session_id, last.session_id].toSorted());
  }
});

testOnServers(
  'a login that is pushed out before its tokens are made is answered all the same',
  async (t, server) => {
    const scene = await setUpScene(server, { client: web });
    const { back, started } = await getCode(scene);
    // What a later login does between the exchange and the first refresh token.
    const [id = ''] = await liveOf(server, scene.client_id);
    await server.db.raw(
      server.store === 'postgres'
        ? `create function push_out() returns trigger language plpgsql as $$ begin
           new.ended_at := now(); new.ended_reason := 'cap_evicted'; new.ended_by := 'system'; return new; end $$`
        : 'select 1',
    );
    await server.db.raw(
      server.store === 'postgres'
        ? `create trigger push_out before update on sessions for each row
           when (old.token_payload->>'gty' is null and new.token_payload->>'gty' is not null and old.id = '${id}') execute function push_out()`
        : `create trigger push_out after update on sessions when old.id = '${id}' and old.token_payload->>'gty' is null
           and new.token_payload->>'gty' is not null begin
           update sessions set ended_at = ${Date.now()}, ended_reason = 'cap_evicted', ended_by = 'system' where id = '${id}'; end`,
    );
    const tokens = await oidc.authorizationCodeGrant(scene.config, back, started.checks);
    const { client_id } = scene;
    assertRefused(t, await refresh(server, { client_id }, String(tokens.refresh_token)), evicted);
    t.false(await endSession(server.db, id, { reason: 'logout', actor: 'user' }));
  },
);
