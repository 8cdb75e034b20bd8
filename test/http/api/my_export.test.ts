// The export of the own data: everything of the user and of nobody else, bounded, and ended with its session.
import { once } from 'node:events';
import { get } from 'node:http';
import { addConsent } from '../../../src/core/actions/consents.ts';
import { exportUser } from '../../../src/core/actions/export_user.ts';
import { changeUserStatus } from '../../../src/core/actions/user_status.ts';
import { makeClient, makeUser, openTestSession } from '../../helpers/builders.ts';
import { assertRefused, type Json } from '../../helpers/client.ts';
import { multiplySession } from '../../helpers/many_sessions.ts';
import { api, isActive, refresh, type SignedIn, signIn } from '../../helpers/oauth.ts';
import { agedBy } from '../../helpers/proofs.ts';
import { type TestServer, testOnOwnServers, testOnServers } from '../../helpers/server.ts';
import { phone } from '../../helpers/sessions.ts';
import { testOnStores } from '../../helpers/stores.ts';

async function read(server: TestServer, { tokens }: Pick<SignedIn, 'tokens'>) {
  const answer = await api(server, 'GET /me/export', tokens.access_token);
  const items: Json[] = answer.status === 200 ? linesOf(answer.text) : [];
  return { answer, items, of: (type: string) => items.filter((one) => one.type === type) };
}

function linesOf(text: string): Json[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

testOnServers('an export has everything of its user and nothing of others', async (t, server) => {
  const { db } = server;
  const user = await makeUser(db, {
    email: `ada-${server.store}@x.example`,
    claims: { name: 'Ada\u2028 "Lovelace"\n' },
    permissions: ['orders'],
  });
  const me = await signIn(server, { user, form: phone });
  const before = await signIn(server, { ...me, form: phone });
  await api(server, 'POST /logout', before.tokens.access_token, { json: {} });
  const third = await makeClient(db, { first_party: false, redirect_uris: ['https://third.example/cb'] });
  const granted = { openid: ['openid'], claims: [], resources: {} };
  await addConsent(db, user.id, third.client_id, granted);
  const stranger = await signIn(server, { form: phone });
  await changeUserStatus(db, user.id, { status: 'banned', actor: 'admin', reason: 'a secret of the staff' });
  await changeUserStatus(db, user.id, { status: 'active', actor: 'admin' });
  const again = await signIn(server, { ...me, form: phone });
  const { answer, items, of } = await read(server, again);
  t.is(answer.headers['content-type'], 'application/x-ndjson');
  t.is(answer.headers['cache-control'], 'no-store');
  t.like(of('profile')[0], {
    ...{ id: user.id, username: user.username, email: `ada-${server.store}@x.example` },
    ...{ claims: { name: 'Ada\u2028 "Lovelace"\n' }, permissions: ['orders'] },
  });
  t.deepEqual(
    of('device').map((one) => one.device_id),
    ['phone'],
  );
  t.deepEqual(
    of('session')
      .map((one) => [one.id, one.ended_reason])
      .toSorted(),
    [
      [me.tokens.session_id, 'user_banned'],
      [before.tokens.session_id, 'logout'],
      [again.tokens.session_id, null],
    ].toSorted(),
  );
  t.deepEqual(
    of('consent').map((one) => one.client_id),
    [third.client_id],
  );
  const events = of('event').map((one) => one.event);
  for (const event of ['session_opened', 'session_ended', 'user_status_changed', 'user_exported'])
    t.true(events.includes(event), event);
  t.deepEqual(items.at(-1), { type: 'end' });
  t.false(answer.text.includes(stranger.user.id));
  t.notRegex(
    answer.text,
    /a secret of the staff|password_hash|"salt"|secret_digest|token_payload|"push"|argon2/,
  );
});

testOnServers('an export needs a login of the last 15 minutes, and a live session', async (t, server) => {
  const me = await signIn(server);
  const aged = await agedBy(server, { ...me, token: '' }, 901);
  const { answer } = await read(server, aged);
  assertRefused(t, answer, { status: 401, error: 'insufficient_user_authentication' });
  t.regex(String(answer.headers['www-authenticate']), /max_age="900"/);
  t.true(await isActive(server, aged.token), 'the token stays good');
  const other = await signIn(server);
  await api(server, 'POST /logout', other.tokens.access_token, { json: {} });
  assertRefused(t, (await read(server, other)).answer, { status: 401, error: 'invalid_token' });
});

testOnOwnServers(
  'a user exports once in ten minutes, and a refusal costs nothing',
  { RATE_LIMITS: 'memory' },
  async (t, server) => {
    const me = await signIn(server);
    const other = await signIn(server);
    t.is((await read(server, me)).answer.status, 200);
    for (let i = 0; i < 2; i += 1) {
      const { answer } = await read(server, me);
      assertRefused(t, answer, { status: 429, error: 'rate_limited', reason: 'rate_limited' });
      t.true(Number(answer.headers['retry-after']) > 500);
    }
    t.is((await read(server, other)).answer.status, 200);
    t.is((await refresh(server, me.client, me.tokens.refresh_token)).status, 200);
  },
);

testOnServers('a client that disconnects gets no further page, and the server goes on', async (t, server) => {
  const me = await signIn(server);
  await multiplySession(server.db, me.tokens.session_id, 2_000);
  const request = get(`${server.url}/api/me/export`, {
    headers: { authorization: `Bearer ${me.tokens.access_token}` },
    agent: false,
  });
  const [response] = await once(request, 'response');
  await once(response, 'data');
  request.destroy();
  await once(request, 'close');
  const { items } = await read(server, me);
  t.is(items.filter((one) => one.type === 'session').length, 2_000);
});

testOnStores(
  'pages are read one at a time, and none after the reader has stopped or lost the right',
  async (t, { db }) => {
    const session = await openTestSession(db);
    await multiplySession(db, session.id, 1_700);
    let asked = 0;
    const statements: string[] = [];
    db.on('query', ({ sql }: { sql: string }) => statements.push(sql));
    const reader = exportUser(db, session.user_id, async () => {
      asked += 1;
      return asked < 5;
    });
    await reader.next();
    const first = statements.length;
    await reader.next();
    t.true(statements.length - first <= 3, 'a page costs a statement or two');
    const rest = [];
    for await (const page of reader) rest.push(page);
    t.is(rest.length, 1, 'the right was lost before the third page of sessions');
    t.false(rest.join('').includes('"type":"end"'));
    const stopped = exportUser(db, session.user_id, async () => true);
    await stopped.next();
    const before = statements.length;
    await stopped.return(undefined);
    t.is(statements.length, before);
    const all = [];
    for await (const page of exportUser(db, session.user_id, async () => true)) all.push(page);
    const lines = linesOf(all.join(''));
    t.is(new Set(lines.filter((one) => one.type === 'session').map((one) => one.id)).size, 1_700);
    t.true(all.every((page) => page.split('\n').length <= 501));
  },
);

testOnStores('ended sessions of one moment are all exported once', async (t, { db }) => {
  const session = await openTestSession(db);
  await multiplySession(db, session.id, 1_200);
  await db('sessions')
    .where({ user_id: session.user_id })
    .update({ ended_at: new Date(0), ended_reason: 'logout' });
  const all = [];
  for await (const page of exportUser(db, session.user_id, async () => true)) all.push(page);
  const ids = linesOf(all.join(''))
    .filter((one) => one.type === 'session')
    .map((one) => one.id);
  t.deepEqual([ids.length, new Set(ids).size], [1_200, 1_200]);
});
