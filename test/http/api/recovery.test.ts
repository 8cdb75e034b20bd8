// Recovery by the API: what an app sends and gets, and what dies on every device.
import { password } from '../../helpers/builders.ts';
import { type Answer, assertRefused, type Json } from '../../helpers/client.ts';
import { mailSettings, startMailServer } from '../../helpers/mail_server.ts';
import { api, isActive, login, refresh, signIn } from '../../helpers/oauth.ts';
import { fresh, type MailedCode, makeReachable, wrongCode } from '../../helpers/recovery.ts';
import { newestMail } from '../../helpers/recovery_pages.ts';
import {
  startTestServer,
  type TestServer,
  testLimited,
  testOnOwnServers,
  testOnServers,
} from '../../helpers/server.ts';
import { makeStore, storeNames } from '../../helpers/stores.ts';

const invalid = { status: 400, error: 'invalid_code' };

const ask = async (server: TestServer, json: Json): Promise<Answer> =>
  await api(server, 'POST /recovery', undefined, { json });

const complete = async (server: TestServer, json: Json): Promise<Answer> =>
  await api(server, 'POST /recovery/complete', undefined, { json: { new_password: fresh, ...json } });

async function askAndRead(
  server: TestServer,
  email: string,
  recovery_id?: unknown,
): Promise<MailedCode & { recovery_id: string }> {
  const answer = await ask(server, { login: email, ...(recovery_id ? { recovery_id } : {}) });
  return { ...(await newestMail(server.db, email)), recovery_id: String(answer.body.recovery_id) };
}

for (const name of storeNames) {
  testLimited(
    `a code out of a mail ends every session, and the new password alone logs in (${name})`,
    async (t) => {
      const mail = await startMailServer(t);
      const store = await makeStore(name);
      t.teardown(store.drop);
      const server = await startTestServer(t, store, mailSettings(mail));
      const user = await makeReachable(server.db);
      const phone = await signIn(server, { user });
      const { status, body } = await ask(server, { login: user.username });
      t.deepEqual([status, Object.keys(body)], [202, ['recovery_id']]);
      const [received] = await mail.to(user.email);
      t.is(received?.links[0]?.split('/recover/')[0], server.issuer);
      const done = await complete(server, { ...body, code: received?.code });
      t.deepEqual([done.status, done.text, done.headers['set-cookie']], [204, '', undefined]);
      const ended = {
        status: 400,
        error: 'invalid_grant',
        reason: 'session_ended',
        ended_reason: 'recovered',
      };
      assertRefused(t, await refresh(server, phone.client, phone.tokens.refresh_token), ended);
      t.false(await isActive(server, phone.tokens.access_token));
      t.is((await login(server, user, phone.client, { password })).status, 400);
      t.is((await login(server, user, phone.client, { password: fresh })).status, 200);
      const [, notice] = await mail.to(user.email, 2);
      t.regex(notice?.subject ?? '', /password was reset/);
      t.regex(notice?.links[0] ?? '', /\/not-me\/[\w-]{43}$/);
    },
  );
}

testOnServers('unknown, unproved, banned and known names get the same answer', async (t, server) => {
  const known = await makeReachable(server.db);
  const unproved = await makeReachable(server.db, { email_verified: false });
  const shapes = new Set<string>();
  for (const name of [
    known.username,
    known.email,
    unproved.email,
    'nobody',
    'nobody@mail.example',
    'x'.repeat(320),
    '@',
    ' ',
  ]) {
    const { status, body, headers } = await ask(server, { login: name });
    const seen = ['content-type', 'content-length', 'cache-control', 'set-cookie'].map((one) => headers[one]);
    shapes.add(JSON.stringify([status, Object.keys(body), String(body.recovery_id).length, seen]));
  }
  t.is(shapes.size, 1, [...shapes].join('\n'));
});

testOnServers('a link is completed by its token, once', async (t, server) => {
  const user = await makeReachable(server.db);
  const { token } = await askAndRead(server, user.email);
  assertRefused(t, await complete(server, { token: 'x'.repeat(43) }), invalid);
  assertRefused(t, await complete(server, { token, new_password: 'short' }), {
    status: 400,
    error: 'weak_password',
    reason: 'password_too_short',
  });
  t.is((await complete(server, { token })).status, 204);
  assertRefused(t, await complete(server, { token, new_password: `${fresh} again` }), invalid);
});

testOnServers('of ten completions at once with one code or link, one succeeds', async (t, server) => {
  for (const by of ['code', 'link'] as const) {
    const user = await makeReachable(server.db);
    const { code, token, recovery_id } = await askAndRead(server, user.email);
    const proof = by === 'code' ? { recovery_id, code } : { token };
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, n) => complete(server, { ...proof, new_password: `${fresh} ${n}` })),
    );
    const done = answers.flatMap(({ status }, n) => (status === 204 ? [n] : []));
    t.is(done.length, 1, answers.map(({ status }) => status).join());
    for (const answer of answers) if (answer.status !== 204) assertRefused(t, answer, invalid);
    const { status } = await login(server, user, (await signIn(server)).client, {
      password: `${fresh} ${done[0]}`,
    });
    t.is(status, 200);
    t.is((await server.db('audit_events').where({ type: 'user_recovered', user_id: user.id })).length, 1);
  }
});

testOnServers('thirty guesses at once leave the code dead and the link alive', async (t, server) => {
  const user = await makeReachable(server.db);
  const { code, token, recovery_id } = await askAndRead(server, user.email);
  const guesses = Array.from({ length: 30 }, () => complete(server, { recovery_id, code: wrongCode(code) }));
  for (const answer of await Promise.all(guesses)) assertRefused(t, answer, invalid);
  assertRefused(t, await complete(server, { recovery_id, code }), invalid);
  t.is((await complete(server, { token })).status, 204);
});

testOnServers(
  'what is neither a code with its request nor a link is refused, and so is what is too long',
  async (t, server) => {
    const recovery_id = 'x'.repeat(43);
    for (const json of [
      {},
      { recovery_id },
      { code: '123456' },
      { recovery_id, code: '123456', token: recovery_id },
      { token: recovery_id, code: '123456' },
      { token: 'x'.repeat(201) },
      { recovery_id: 'short', code: '123456' },
      { recovery_id, code: 123_456 },
      { recovery_id, code: '1'.repeat(41) },
      { token: ['x'] },
    ])
      assertRefused(
        t,
        await complete(server, json),
        { status: 400, error: 'invalid_request' },
        JSON.stringify(json),
      );
    for (const json of [
      {},
      { login: '' },
      { login: 'x'.repeat(321) },
      { login: 'ada', recovery_id: 'no' },
      { login: ['ada'] },
    ])
      assertRefused(
        t,
        await ask(server, json),
        { status: 400, error: 'invalid_request' },
        JSON.stringify(json),
      );
  },
);

testOnOwnServers(
  'a network that asks or guesses too often gets 429 and when to try again, and a link works all the same',
  { RATE_LIMITS: 'memory', RATE_LIMIT_MAIL_ADDRESS: '3/600', RATE_LIMIT_LOGIN_ADDRESS: '4/600' },
  async (t, server) => {
    const user = await makeReachable(server.db);
    const { token } = await askAndRead(server, user.email);
    const { recovery_id } = await askAndRead(server, user.email);
    await ask(server, { login: 'nobody' });
    const limited = { status: 429, error: 'rate_limited', reason: 'rate_limited' };
    const refused = await ask(server, { login: 'nobody' });
    assertRefused(t, refused, limited);
    t.true(Number(refused.headers['retry-after']) > 500);
    for (let wrong = 0; wrong < 4; wrong += 1)
      assertRefused(t, await complete(server, { recovery_id: 'x'.repeat(43), code: '123456' }), invalid);
    assertRefused(t, await complete(server, { recovery_id, code: '123456' }), limited);
    t.is((await complete(server, { token })).status, 204);
  },
);
