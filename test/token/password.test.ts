// Compares logins at the fast entrance with the same ones in the engine: each client, each way to authenticate, and each oddity
// of user and form by itself. Thousands of generated cases would be too slow, because each hashes a password.
import assert from 'node:assert/strict';
import type { ExecutionContext } from 'ava';
import { hashPassword } from '../../src/core/passwords/password_hash.ts';
import type { Session } from '../../src/core/sessions/sessions.ts';
import { json } from '../../src/core/store/columns.ts';
import type { Device } from '../../src/core/users/devices.ts';
import { createUser, type NewUser } from '../../src/core/users/user_changes.ts';
import type { User } from '../../src/core/users/users.ts';
import { password } from '../helpers/builders.ts';
import { type Answer, type Form, type RequestOptions, send } from '../helpers/client.ts';
import { makeKey, proofFor } from '../helpers/dpop.ts';
import { testOnStores } from '../helpers/stores.ts';
import { comparableAnswer, comparableRows } from '../helpers/twin_answers.ts';
import {
  type ClientName,
  certificate,
  clientNames,
  createTwinClients,
  opaque,
  orders,
  page,
  proofOf,
  quick,
  unregistered,
  type Way,
  ways,
} from '../helpers/twin_clients.ts';
import { type App, behindProxy, issuer, openPair, ownApi, type Pair } from '../helpers/twins.ts';

interface Case {
  client?: ClientName;
  way?: Way;
  user?: Partial<NewUser>;
  /** Columns of the user's row. */
  row?: Record<string, unknown>;
  form?: Form;
  question?: RequestOptions;
  /** Whether the fast entrance must answer; undefined where either may. */
  fast?: boolean;
  /** Claims of a DPoP proof that is sent along. */
  proof?: Record<string, unknown>;
}

const soon = new Date(Date.now() + 3_600_000);
const device = {
  device_id: 'phone',
  device_name: 'Pixel',
  platform: 'android',
  app_version: '1.2',
  push_token: 'p',
};

const withMail = { email: 'x@example.test', roles: ['admin'] };
const certified = { headers: { 'X-Client-Certificate': certificate } };

// The kinds of sessions and tokens.
const kinds: Record<string, Case> = {
  'openid, profile and email': {
    fast: true,
    user: withMail,
    form: { scope: 'openid profile email account' },
  },
  'openid without an address': { fast: true, form: { scope: 'openid email' } },
  'openid alone': { fast: true, form: { scope: 'openid' } },
  'openid at another API': { fast: true, form: { scope: 'openid orders:read', resource: orders } },
  'all scopes of several APIs': { fast: true, form: { resource: [orders, quick, opaque] } },
  'our own API beside another': {
    fast: true,
    form: { resource: [orders, ownApi], scope: 'account orders:read' },
  },
  'one API twice': { fast: true, form: { resource: [orders, orders] } },
  'too many APIs': { fast: false, form: { resource: Array.from({ length: 21 }, (_, i) => `${orders}${i}`) } },
  'an API that is not registered': { fast: true, form: { resource: unregistered } },
  'an API with a fragment': { fast: true, form: { resource: `${orders}#part` } },
  'an API that is no URI': { fast: true, form: { resource: 'orders' } },
  'a scope of another API than the named one': {
    fast: true,
    form: { resource: orders, scope: 'quick:read' },
  },
  'a scope at an API of opaque tokens': {
    fast: true,
    form: { resource: opaque, scope: 'opaque:read openid' },
  },
  'admin of an administrator': {
    client: 'administrative',
    fast: true,
    user: withMail,
    form: { scope: 'admin account' },
  },
  'admin of an administrator, not asked for': { client: 'administrative', fast: true, user: withMail },
  'a proof': { fast: true, proof: {} },
  'a proof of a client that must send one': { client: 'proving', fast: true, proof: {} },
  'no proof of a client that must send one': { client: 'proving', fast: true },
  'a proof of a confidential client': { client: 'post', fast: true, proof: {} },
  'a proof with openid': { fast: true, proof: {}, form: { scope: 'openid account' } },
  'a proof at an API of opaque tokens': { fast: true, proof: {}, form: { resource: opaque } },
  'a proof and a wrong password': { fast: true, proof: {}, form: { password: 'wrong' } },
  'a proof that is old': { fast: true, proof: { iat: 1_700_000_000 } },
  'a proof for another method': { fast: true, proof: { htm: 'GET' } },
  'a proof for another URL': { fast: true, proof: { htu: `${issuer}/revoke` } },
  'a proof without a jti': { fast: true, proof: { jti: undefined } },
  'a proof with a nonce': { fast: true, proof: { nonce: 'x' } },
  'a certificate': { client: 'certified', fast: true, question: certified },
  'no certificate of a client that must have one': { client: 'certified', fast: true },
  'a certificate that is none': {
    client: 'certified',
    fast: true,
    question: { headers: { 'X-Client-Certificate': 'x' } },
  },
  'a certificate of a client that needs none': { fast: true, question: certified },
  'a third party': { client: 'third', form: { scope: 'profile' } },
};

const cases: Record<string, Case> = {
  'nothing special': { fast: true },
  'roles, permissions and a tenant': {
    fast: true,
    user: { roles: ['a', 'admin'], permissions: ['b'], tenant_id: 'c', email: 'x@example.test' },
  },
  'a wrong password': { fast: true, form: { password: 'not the password' } },
  'an unknown username': { fast: true, form: { username: 'no such user' } },
  'a name with NUL': { form: { username: 'no\0body' } },
  'a banned user': { fast: true, row: { status: 'banned', status_message: 'Ask the office.' } },
  'a user banned until soon': { fast: true, row: { status: 'banned', ban_expires_at: soon } },
  'a user banned until now': { fast: true, row: { status: 'banned', ban_expires_at: new Date(0) } },
  'a disabled user': { fast: true, row: { status: 'disabled' } },
  'a banned user and a wrong password': { fast: true, row: { status: 'banned' }, form: { password: 'x' } },
  'a user without a password': { fast: true, row: { password_hash: null } },
  'a device': { fast: true, form: device },
  'a device with a bad name': { fast: true, form: { ...device, device_name: 'a\u0007b' } },
  'a device with a long description': {
    fast: true,
    form: { ...device, device_name: 'x'.repeat(300), platform: 'x'.repeat(300), app_version: '\0' },
  },
  'a device with an unknown secret': { fast: true, form: { ...device, device_secret: 'x'.repeat(22) } },
  'a device with a malformed secret': { fast: true, form: { ...device, device_secret: 'a\0b' } },
  'a secret without a device': { fast: true, form: { device_secret: 'x'.repeat(22) } },
  'a device that is too long': { fast: true, form: { device_id: 'x'.repeat(300) } },
  'the scope account': { fast: true, form: { scope: 'account' } },
  'a scope twice': { form: { scope: 'account account' } },
  'profile and email': { fast: true, form: { scope: 'profile account email' } },
  offline_access: { fast: true, form: { scope: 'offline_access account' } },
  openid: { fast: true, form: { scope: 'openid account' } },
  admin: { fast: true, form: { scope: 'account admin' } },
  'admin, of a client that may': { client: 'administrative', fast: true, form: { scope: 'admin' } },
  'an unknown scope': { fast: true, form: { scope: 'account everything' } },
  "another API's scope": { fast: true, form: { scope: 'orders:read' } },
  'a malformed scope': { fast: false, form: { scope: 'account  "x"' } },
  'blanks for a scope': { fast: false, form: { scope: ' ' } },
  'our own API named': { fast: true, form: { resource: ownApi } },
  'another API': { fast: true, form: { resource: orders, scope: 'orders:read' } },
  'an API of opaque tokens': { fast: true, form: { resource: opaque } },
  'no password': { fast: true, form: { password: undefined } },
  'an empty password': { fast: false, form: { password: '' } },
  'no username': { fast: true, form: { username: undefined } },
  'two usernames': { fast: false, form: { username: ['a', 'b'] } },
  'an unknown parameter': { fast: false, form: { state: 'x' } },
  'a registered origin': { client: 'spa', fast: true, question: { headers: { Origin: page } } },
  'a registered origin and a wrong password': {
    client: 'spa',
    fast: true,
    form: { password: 'wrong' },
    question: { headers: { Origin: page } },
  },
  'another origin': { client: 'spa', fast: false, question: { headers: { Origin: 'https://evil.test' } } },
  'a malformed proof': { fast: true, question: { headers: { DPoP: 'x' } } },
  ...kinds,
  'a chunked body': { fast: false, question: { chunked: true } },
};
for (const client of clientNames) cases[`the client ${client}`] = { client };
for (const way of new Set(ways)) {
  cases[`the way ${way}`] = { client: 'basic', way };
  cases[`the way ${way} of a public client`] = { client: 'strict', way };
}

const key = makeKey();
let made = 0;
let hash: Promise<string> | undefined;

async function makeUser({ deps }: Pair, { user, row }: Case): Promise<User> {
  made += 1;
  hash ??= hashPassword(password);
  const email = user?.email ? { email: `twin-${made}@example.test` } : {};
  const given = { password_hash: await hash, ...user, ...email };
  const created = await createUser(deps.db, { username: `login-${made}`, ...given });
  if (row) await deps.db('users').where({ id: created.id }).update(row);
  return (await deps.db<User>('users').where({ id: created.id }).first()) ?? created;
}

async function ask(app: App, given: Case, { username }: User): Promise<Answer> {
  const proof = await proofOf(given.client ?? 'strict', given.way ?? 'registered');
  const form = { grant_type: 'password', username, password, ...proof.form, ...given.form };
  const dpop = given.proof && {
    DPoP: await proofFor(await key, 'POST', `${issuer}/token`, { claims: given.proof }),
  };
  const headers = { 'User-Agent': 'twins/1.0', ...proof.headers, ...dpop, ...given.question?.headers };
  return await send(`${app.url}/token`, { form, ...given.question, headers });
}

/** The answer and the written rows, without the ids of the opened session. */
async function outcomeOf({ deps }: Pair, user: User, answer: Answer): Promise<object> {
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

async function failuresOf({ db, audit }: Pair['deps'], user: User) {
  await audit.flush();
  const events = await db('audit_events').where({ type: 'login_failed', user_id: user.id });
  return events.map(({ reason, client_id, ip, user_agent }) => ({ reason, client_id, ip, user_agent }));
}

async function compare(t: ExecutionContext, pair: Pair, title: string, given: Case): Promise<boolean> {
  const [one, other] = [await makeUser(pair, given), await makeUser(pair, given)];
  const reached = pair.fast.reached();
  const fast = await ask(pair.fast, given, one);
  const isFast = pair.fast.reached() === reached;
  const engine = await ask(pair.engine, given, other);
  t.deepEqual(
    withoutUnlike(await outcomeOf(pair, one, fast)),
    withoutUnlike(await outcomeOf(pair, other, engine)),
    title,
  );
  if (given.fast !== undefined) t.is(isFast, given.fast, `${title}: at the fast entrance?`);
  return isFast;
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

testOnStores('the fast entrance and the engine answer a login alike', async (t, store) => {
  const pair = await openPair(t, store, behindProxy);
  await createTwinClients(pair.deps.db);
  let fast = 0;
  for (const [title, given] of Object.entries(cases)) if (await compare(t, pair, title, given)) fast += 1;
  t.log(`${fast} of ${Object.keys(cases).length} at the fast entrance`);
});

testOnStores('both entrances count wrong passwords and refuse beyond the limit alike', async (t, store) => {
  const pair = await openPair(t, store, { RATE_LIMITS: 'memory', RATE_LIMIT_PASSWORD: '2/3600' });
  await createTwinClients(pair.deps.db);
  const [one, other] = [await makeUser(pair, {}), await makeUser(pair, {})];
  for (const guess of ['wrong', 'wrong too', 'beyond the limit', password]) {
    const given: Case = { form: { password: guess } };
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
