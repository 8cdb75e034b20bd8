// Logins by password: each client, each way to authenticate, each kind of token and each oddity of user and form by itself, and
// both entrances beside each other. Thousands of generated cases would be too slow, because each hashes a password.
import assert from 'node:assert/strict';
import type { ExecutionContext } from 'ava';
import { decodeJwt } from 'jose';
import { hashPassword } from '../../src/core/passwords/password_hash.ts';
import type { Session } from '../../src/core/sessions/sessions.ts';
import { json } from '../../src/core/store/columns.ts';
import type { Device } from '../../src/core/users/devices.ts';
import { createUser } from '../../src/core/users/user_changes.ts';
import { type NamedUser, password } from '../helpers/builders.ts';
import { type Answer, send } from '../helpers/client.ts';
import { makeKey, proofFor } from '../helpers/dpop.ts';
import { device, type Login, type LoginCase, loginCases } from '../helpers/login_cases.ts';
import { testOnStores } from '../helpers/stores.ts';
import { comparableAnswer, comparableRows } from '../helpers/twin_answers.ts';
import { createTwinClients, proofOf } from '../helpers/twin_clients.ts';
import { type App, behindProxy, issuer, openPair, type Pair } from '../helpers/twins.ts';

/** An answer in one line: what was refused and why, or which tokens were given. */
function summaryOf({ status, body }: Answer): string {
  if (status !== 200) {
    const reason = body.reason ? ` (${body.reason})` : '';
    return `${status} ${body.error}${reason}: ${body.error_description}`;
  }
  const token = String(body.access_token);
  const { aud, cnf } = token.includes('.') ? decodeJwt(token) : {};
  const kind = token.includes('.') ? `JWT for ${aud}` : 'opaque';
  const bound = cnf ? `, bound by ${Object.keys(cnf)}` : '';
  const id = body.id_token ? `, ID token with ${Object.keys(decodeJwt(String(body.id_token))).sort()}` : '';
  const more = ['refresh_token', 'device_secret'].filter((name) => body[name] !== undefined);
  return `${body.token_type} ${kind}${bound}: ${body.scope ?? 'no scope'}${id}${more.map((one) => `, ${one}`).join('')}`;
}

const key = makeKey();
let made = 0;
let hash: Promise<string> | undefined;

async function makeUser({ deps }: Pair, { user, row }: Login): Promise<NamedUser> {
  made += 1;
  hash ??= hashPassword(password);
  const email = user?.email ? { email: `twin-${made}@example.test` } : {};
  const given = { password_hash: await hash, ...user, ...email };
  const username = `login-${made}`;
  const created = { ...(await createUser(deps.db, { ...given, username })), username };
  if (row) await deps.db('users').where({ id: created.id }).update(row);
  return (await deps.db<NamedUser>('users').where({ id: created.id }).first()) ?? created;
}

async function ask(app: App, given: Login, { username }: NamedUser): Promise<Answer> {
  const proof = await proofOf(given.client ?? 'strict', given.way ?? 'registered');
  const form = { grant_type: 'password', username, password, ...proof.form, ...given.form };
  const dpop = given.proof && {
    DPoP: await proofFor(await key, 'POST', `${issuer}/token`, { claims: given.proof }),
  };
  const headers = { 'User-Agent': 'twins/1.0', ...proof.headers, ...dpop, ...given.question?.headers };
  return await send(`${app.url}/token`, { form, ...given.question, headers });
}

/** The answer and the written rows, without the ids of the opened session. */
async function outcomeOf({ deps }: Pair, user: NamedUser, answer: Answer): Promise<object> {
  const opened = await deps.db<Session>('sessions').where({ user_id: user.id });
  // A refusal opens no session, so there are no ids to remove.
  const session = opened[0] ?? ({ id: 'none' } as Session);
  const devices = await deps.db('devices').where({ user_id: user.id });
  assert.ok(opened.length <= 1);
  const twin = { user, session };
  const trail = await comparableRows(deps, { user, session: opened[0] ?? session }, [answer]).catch(
    (error) => {
      if (opened.length > 0) throw error;
      return null;
    },
  );
  const plain = ({ id: _, user_id: _1, last_seen_at: _2, created_at: _3, ...one }: Device) => one;
  const { device_id: _device, ...row } = (opened[0] ?? {}) as Partial<Session>;
  return {
    answer: await comparableAnswer(deps, answer, opened.length > 0 ? twin : null),
    trail,
    hasDevice: opened[0]?.device_id != null,
    devices: devices.map(plain),
    payloads: JSON.parse(
      JSON.stringify([row.grant_payload, row.token_payload, row.idle_ttl, row.is_plain]).replaceAll(
        session.id,
        'own',
      ),
    ),
    failures: await failuresOf(deps, user),
  };
}

async function failuresOf({ db, audit }: Pair['deps'], user: NamedUser) {
  await audit.flush();
  const events = await db('audit_events').where({ type: 'login_failed', user_id: user.id });
  return events.map(({ reason, client_id, ip, user_agent }) => ({ reason, client_id, ip, user_agent }));
}

async function compare(t: ExecutionContext, pair: Pair, title: string): Promise<void> {
  const given = caseOf(title);
  const [one, other] = [await makeUser(pair, given), await makeUser(pair, given)];
  const direct = await outcomeOf(pair, one, await ask(pair.fast, given, one));
  const engine = await outcomeOf(pair, other, await ask(pair.engine, given, other));
  t.deepEqual(withoutUnlike(direct), withoutUnlike(engine), title);
}

function caseOf(title: string): LoginCase {
  const found = loginCases[title];
  if (!found) throw new Error(`there is no case ${title}`);
  return found;
}

// Members that differ between twins or from one second to the next.
const unlike = new Set([
  'device_id',
  'device_secret',
  'secret_digest',
  'authTime',
  'auth_time',
  'email',
  'email_key',
]);

function withoutUnlike(what: object): unknown {
  return JSON.parse(JSON.stringify(what), (name, value) => (unlike.has(name) && value ? 'some' : value));
}

testOnStores('each login gets its answer, and most of them at the direct entrance', async (t, store) => {
  const pair = await openPair(t, store, behindProxy);
  await createTwinClients(pair.deps.db);
  for (const [title, given] of Object.entries(loginCases)) {
    const reached = pair.fast.reached();
    const answer = await ask(pair.fast, given, await makeUser(pair, given));
    t.is(summaryOf(answer), given.answer, title);
    if (given.fast !== undefined) t.is(pair.fast.reached() === reached, given.fast, `${title}: directly?`);
  }
});

const samples = [
  'nothing special',
  'a device',
  'openid, profile and email',
  'our own API beside another',
  'all scopes of several APIs',
  'a scope at an API of opaque tokens',
  'a proof of a confidential client',
  'a proof with openid',
  'a certificate',
  'admin, of a client that may',
  'a wrong password',
  'a banned user',
  'an API that is not registered',
];

testOnStores('a login leaves the same rows and events at both entrances', async (t, store) => {
  const pair = await openPair(t, store, behindProxy);
  await createTwinClients(pair.deps.db);
  for (const title of samples) await compare(t, pair, title);
});

testOnStores('both entrances count wrong passwords and refuse beyond the limit alike', async (t, store) => {
  const pair = await openPair(t, store, { RATE_LIMITS: 'memory', RATE_LIMIT_PASSWORD: '2/3600' });
  await createTwinClients(pair.deps.db);
  const [one, other] = [await makeUser(pair, {}), await makeUser(pair, {})];
  for (const guess of ['wrong', 'wrong too', 'beyond the limit', password]) {
    const given: Login = { form: { password: guess } };
    const fast = await outcomeOf(pair, one, await ask(pair.fast, given, one));
    const engine = await outcomeOf(pair, other, await ask(pair.engine, given, other));
    t.deepEqual(withoutUnlike(fast), withoutUnlike(engine), guess);
  }
  t.is(pair.fast.reached(), 0);
});

testOnStores(
  'both entrances recognise a device by the secret that either of them issued',
  async (t, store) => {
    const pair = await openPair(t, store, { RATE_LIMITS: 'memory', RATE_LIMIT_PASSWORD: '2/60' });
    await createTwinClients(pair.deps.db);
    const known = async (from: App, to: App) => {
      const user = await makeUser(pair, {});
      const first = await ask(from, { form: device }, user);
      for (let i = 0; i < 3; i += 1) await ask(to, { form: { password: 'wrong' } }, user);
      const { device_secret } = first.body as { device_secret: string };
      const unknown = await ask(to, { form: device }, user);
      const again = await ask(to, { form: { ...device, device_secret } }, user);
      return [first.status, unknown.status, again.status, again.body.device_secret === device_secret];
    };
    for (const [from, to] of [
      [pair.fast, pair.fast],
      [pair.fast, pair.engine],
      [pair.engine, pair.fast],
      [pair.engine, pair.engine],
    ] as const) {
      t.deepEqual(await known(from, to), [200, 429, 200, true]);
    }
  },
);

testOnStores('a removed client secret is refused although the client is cached', async (t, store) => {
  const pair = await openPair(t, store);
  await createTwinClients(pair.deps.db);
  const user = await makeUser(pair, {});
  t.is((await ask(pair.fast, { client: 'basic' }, user)).status, 200);
  // As another node would, unknown to the cache of this one.
  await store
    .db('clients')
    .where({ client_id: 'basic' })
    .update({ secrets: json([]) });
  t.is((await ask(pair.fast, { client: 'basic' }, user)).status, 401);
});

testOnStores(
  'the fast entrance reports a ban that happens while the password is verified',
  async (t, store) => {
    const pair = await openPair(t, store);
    await createTwinClients(pair.deps.db);
    for (let round = 0; round < 5; round += 1) {
      const user = await makeUser(pair, {});
      const logins = Array.from({ length: 6 }, () => ask(pair.fast, {}, user));
      await store.db('users').where({ id: user.id }).update({ status: 'banned' });
      for (const { status, body } of await Promise.all(logins)) {
        if (status !== 200)
          t.deepEqual([status, body.error, body.reason], [400, 'invalid_grant', 'account_banned']);
      }
      const late = await ask(pair.fast, {}, user);
      t.deepEqual([late.status, late.body.reason], [400, 'account_banned']);
    }
  },
);
