// Refresh-token families over HTTP: races, stolen tokens, lost answers and a restored database.
import { request } from 'node:http';
import type { ExecutionContext } from 'ava';
import { findSession } from '../../src/core/sessions/find_session.ts';
import { makeClient, makeUser } from '../helpers/builders.ts';
import { type Answer, assertRefused } from '../helpers/client.ts';
import {
  introspect,
  isActive,
  isNearly,
  refresh,
  type SignedIn,
  signIn,
  tokensOf,
} from '../helpers/oauth.ts';
import { type TestServer, testOnOwnServers, testOnServers } from '../helpers/server.ts';
import { until } from '../helpers/until.ts';

const reused = { status: 400, error: 'invalid_grant', reason: 'token_reused' };
const ended = { status: 400, error: 'invalid_grant', reason: 'session_ended' };
const expired = { status: 400, error: 'invalid_grant', reason: 'session_expired' };
const spa = { rotation_profile: 'spa' } as const;

/** All refresh tokens of a family after `times` rotations, oldest first. */
async function familyOf(server: TestServer, { client, tokens }: SignedIn, times: number): Promise<string[]> {
  const family = [tokens.refresh_token];
  for (let i = 0; i < times; i += 1) {
    family.push(tokensOf(await refresh(server, client, family.at(-1) ?? '')).refresh_token);
  }
  return family;
}

function useAtOnce(server: TestServer, { client, tokens }: SignedIn, times: number): Promise<Answer[]> {
  return Promise.all(Array.from({ length: times }, () => refresh(server, client, tokens.refresh_token)));
}

async function endingOf(server: TestServer, session_id: string) {
  const { ended_reason, ended_by, token_version } = (await findSession(server.db, session_id)) ?? {};
  return { ended_reason, ended_by, token_version };
}

const byReuse = { ended_reason: 'reuse_detected', ended_by: 'system', token_version: 1 };

testOnServers(
  'of 50 simultaneous uses of one token with the profile strict one succeeds, and the session ends',
  async (t, server) => {
    const signedIn = await signIn(server);
    const answers = await useAtOnce(server, signedIn, 50);
    const winners = answers.filter((answer) => answer.status === 200);
    t.is(winners.length, 1);
    const losers = answers.filter((answer) => answer.status !== 200);
    for (const answer of losers) {
      assertRefused(t, answer, answer.body.reason === 'token_reused' ? reused : ended);
    }
    t.is(
      losers.filter((answer) => answer.body.reason === 'token_reused').length,
      1,
      'reuse is reported once',
    );
    const [winner] = winners.map(tokensOf);
    assertRefused(t, await refresh(server, signedIn.client, winner?.refresh_token ?? ''), ended);
    t.deepEqual(await introspect(server, winner?.access_token ?? ''), { active: false });
    t.deepEqual(await introspect(server, signedIn.tokens.access_token), { active: false });
    t.deepEqual(await endingOf(server, signedIn.tokens.session_id), byReuse);
  },
);

testOnServers(
  'of 50 uses within the retry window all get the same successor, and the session goes on',
  async (t, server) => {
    const signedIn = await signIn(server, { client: await makeClient(server.db, spa) });
    const answers = (await useAtOnce(server, signedIn, 50)).map(tokensOf);
    const [successor, ...others] = new Set(answers.map((tokens) => tokens.refresh_token));
    t.deepEqual(others, []);
    t.not(successor, signedIn.tokens.refresh_token);
    t.is(
      new Set(answers.map((tokens) => tokens.access_token)).size,
      50,
      'each with an access token of its own',
    );
    t.is(await isActive(server, answers[17]?.access_token ?? ''), true);
    const next = tokensOf(await refresh(server, signedIn.client, successor ?? ''));
    t.is((await findSession(server.db, next.session_id))?.generation, 2);
  },
);

for (const { title, back } of [
  { title: 'the predecessor', back: 1 },
  { title: 'the token before the predecessor', back: 2 },
  { title: 'the very first token', back: 4 },
]) {
  testOnServers(`${title} ends its session and no other`, async (t, server) => {
    const stolen = await signIn(server);
    const family = await familyOf(server, stolen, 4);
    const last = tokensOf(await refresh(server, stolen.client, family.at(-1) ?? ''));
    const other = await signIn(server, stolen);
    const stranger = await signIn(server);

    assertRefused(t, await refresh(server, stolen.client, family.at(-back) ?? ''), reused);
    assertRefused(
      t,
      await refresh(server, stolen.client, last.refresh_token),
      ended,
      "the owner's token is void",
    );
    assertRefused(
      t,
      await refresh(server, stolen.client, family.at(-back) ?? ''),
      ended,
      'reuse is reported once, later uses get session_ended',
    );
    t.is(await isActive(server, last.access_token), false);
    t.deepEqual(await endingOf(server, stolen.tokens.session_id), byReuse);

    t.is(await isActive(server, other.tokens.access_token), false, 'token_version rose');
    const healed = tokensOf(await refresh(server, other.client, other.tokens.refresh_token));
    t.is(await isActive(server, healed.access_token), true, 'a refresh gives the other device a valid token');
    t.is(await isActive(server, stranger.tokens.access_token), true);
  });
}

testOnServers(
  'a token newer than a restored database is accepted, and an older one is reuse',
  async (t, server) => {
    const signedIn = await signIn(server, { client: await makeClient(server.db, spa) });
    const { client, tokens } = signedIn;
    const family = await familyOf(server, signedIn, 5);
    await server.db('sessions').where({ id: tokens.session_id }).update({ generation: 2 });
    const sixth = tokensOf(await refresh(server, client, family[5] ?? ''));
    t.is((await findSession(server.db, tokens.session_id))?.generation, 6);
    t.is(tokensOf(await refresh(server, client, family[5] ?? '')).refresh_token, sixth.refresh_token);
    assertRefused(t, await refresh(server, client, family[3] ?? ''), reused);
  },
);

testOnServers(
  'with the profile observe an old token gets the current one, and an event is recorded',
  async (t, server) => {
    const client = await makeClient(server.db, { rotation_profile: 'observe' });
    const signedIn = await signIn(server, { client });
    const family = await familyOf(server, signedIn, 3);
    for (const old of family.slice(0, 2)) {
      t.is(tokensOf(await refresh(server, client, old)).refresh_token, family.at(-1) ?? '');
    }
    const noted = await server
      .db('audit_events')
      .where({ session_id: signedIn.tokens.session_id, type: 'refresh_token_reuse_observed' });
    t.deepEqual(
      noted
        .map((event) => event.detail)
        .sort((a, b) => Number(a?.presented_generation) - Number(b?.presented_generation)),
      [0, 1].map((presented_generation) => ({ presented_generation, current_generation: 3 })),
    );
    t.is(await isActive(server, signedIn.tokens.access_token), true, 'no session ended');
    tokensOf(await refresh(server, client, family[3] ?? ''));
  },
);

testOnOwnServers(
  'reuse leaves access tokens valid if the setting says so',
  { REUSE_RAISES_TOKEN_VERSION: 'false' },
  async (t, server) => {
    const stolen = await signIn(server);
    const other = await signIn(server, stolen);
    await familyOf(server, stolen, 1);
    assertRefused(t, await refresh(server, stolen.client, stolen.tokens.refresh_token), reused);
    t.is(await isActive(server, stolen.tokens.access_token), false);
    t.is(await isActive(server, other.tokens.access_token), true);
  },
);

testOnServers('the retry window ends 60 seconds after the rotation and does not slide', async (t, server) => {
  const client = await makeClient(server.db, spa);
  for (const { seconds, open } of [
    { seconds: 30, open: true },
    { seconds: 61, open: false },
  ]) {
    const { tokens } = await signIn(server, { client });
    const successor = tokensOf(await refresh(server, client, tokens.refresh_token));
    tokensOf(await refresh(server, client, tokens.refresh_token));
    const rotated_at = new Date(Date.now() - seconds * 1000);
    await server.db('sessions').where({ id: tokens.session_id }).update({ rotated_at });
    const answer = await refresh(server, client, tokens.refresh_token);
    if (open) t.is(tokensOf(answer).refresh_token, successor.refresh_token);
    else assertRefused(t, answer, reused);
  }
});

testOnServers('an app that loses the answer gets the same successor', async (t, server) => {
  const client = await makeClient(server.db, spa);
  const { tokens } = await signIn(server, { client });
  await sendAndHangUp(server, { client_id: client.client_id, refresh_token: tokens.refresh_token });
  await until(async () => (await findSession(server.db, tokens.session_id))?.generation === 1);
  const retried = tokensOf(await refresh(server, client, tokens.refresh_token));
  t.is((await findSession(server.db, tokens.session_id))?.generation, 1);
  t.is(tokensOf(await refresh(server, client, tokens.refresh_token)).refresh_token, retried.refresh_token);
  tokensOf(await refresh(server, client, retried.refresh_token));
});

async function sendAndHangUp(server: TestServer, form: Record<string, string>): Promise<void> {
  const body = new URLSearchParams({ grant_type: 'refresh_token', ...form }).toString();
  const headers = {
    'Content-Type': 'application/x-www-form-urlencoded',
    'Content-Length': String(body.length),
  };
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  const outgoing = request(`${server.url}/token`, { method: 'POST', headers, agent: false });
  outgoing.on('error', () => {}).once('close', resolve);
  // Only once it arrives: for a client that has disconnected nothing is rotated (disconnected_client.test.ts).
  outgoing.once('response', () => outgoing.destroy()).end(body);
  await gone;
}

testOnServers('a session expires by idle time and by age, and the answer says so', async (t, server) => {
  const old = new Date(Date.now() - 8 * 86_400_000);
  for (const aged of [{ last_used_at: old }, { absolute_expires_at: old }]) {
    const { client, tokens } = await signIn(server);
    await server.db('sessions').where({ id: tokens.session_id }).update(aged);
    await assertExpired(t, server, client.client_id, tokens);
  }
});

async function assertExpired(
  t: ExecutionContext,
  server: TestServer,
  client_id: string,
  tokens: SignedIn['tokens'],
): Promise<void> {
  assertRefused(t, await refresh(server, { client_id }, tokens.refresh_token), expired);
  t.deepEqual(await introspect(server, tokens.access_token), { active: false });
}

testOnServers('a refresh extends the idle time, but not the age', async (t, server) => {
  const client = await makeClient(server.db, { session_idle_ttl: 1_000, session_absolute_ttl: 1_500 });
  const { tokens } = await signIn(server, { client });
  t.true(isNearly(tokens.refresh_token_expires_in, 1_000));
  const created = Date.now() - 900_000;
  await server
    .db('sessions')
    .where({ id: tokens.session_id })
    .update({ last_used_at: new Date(created), absolute_expires_at: new Date(created + 1_500_000) });
  const next = tokensOf(await refresh(server, client, tokens.refresh_token));
  t.is(next.session_id, tokens.session_id);
  t.true(isNearly(next.refresh_token_expires_in, 600));
});

testOnServers('a second login has a family of its own', async (t, server) => {
  const one = await signIn(server);
  const two = await signIn(server, one);
  t.not(one.tokens.session_id, two.tokens.session_id);
  await familyOf(server, one, 1);
  assertRefused(t, await refresh(server, one.client, one.tokens.refresh_token), reused);
  tokensOf(await refresh(server, two.client, two.tokens.refresh_token));
});

testOnServers('reuse at a dynamically registered client ends only its own session', async (t, server) => {
  for (const registered_by of ['itself', 'admin'] as const) {
    const user = await makeUser(server.db);
    const own = await signIn(server, { user });
    const { client, tokens } = await signIn(server, { user });
    await server.db('clients').where({ client_id: client.client_id }).update({ registered_by });
    t.is((await refresh(server, client, tokens.refresh_token)).status, 200);
    t.is((await refresh(server, client, tokens.refresh_token)).body.reason, 'token_reused');
    t.is(await isActive(server, own.tokens.access_token), registered_by !== 'admin', registered_by);
    t.is((await refresh(server, own.client, own.tokens.refresh_token)).status, 200);
  }
});
