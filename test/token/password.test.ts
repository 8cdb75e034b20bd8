// A login is answered alike on the lean path and by the engine: every client, every way to prove oneself, and every oddity
// of user and form, each by itself. Hashing makes generated cases by the thousand too slow here.
import assert from 'node:assert/strict';
import type { ExecutionContext } from 'ava';
import { hashPassword } from '../../src/core/passwords/password_hash.ts';
import type { Session } from '../../src/core/sessions/sessions.ts';
import { json } from '../../src/core/store/columns.ts';
import type { Device } from '../../src/core/users/devices.ts';
import { createUser, type NewUser } from '../../src/core/users/user_changes.ts';
import type { User } from '../../src/core/users/users.ts';
import { password } from '../helpers/builders.ts';
import { type Answer, type Form, type Question, send } from '../helpers/client.ts';
import { testOnStores } from '../helpers/stores.ts';
import { comparableAnswer, comparableRows } from '../helpers/twin_answers.ts';
import {
  type ClientName,
  clientNames,
  createTwinClients,
  opaque,
  orders,
  page,
  proofOf,
  type Way,
  ways,
} from '../helpers/twin_clients.ts';
import { type App, openPair, ownApi, type Pair } from '../helpers/twins.ts';

interface Case {
  client?: ClientName;
  way?: Way;
  user?: Partial<NewUser>;
  /** Columns of the user's row. */
  row?: Record<string, unknown>;
  form?: Form;
  question?: Question;
  /** Whether the lean path has to answer; not said where either may. */
  lean?: boolean;
}

const soon = new Date(Date.now() + 3_600_000);
const device = {
  device_id: 'phone',
  device_name: 'Pixel',
  platform: 'android',
  app_version: '1.2',
  push_token: 'p',
};

const cases: Record<string, Case> = {
  'nothing special': { lean: true },
  'roles, permissions and a tenant': {
    lean: true,
    user: { roles: ['a', 'admin'], permissions: ['b'], tenant_id: 'c', email: 'x@example.test' },
  },
  'a wrong password': { lean: true, form: { password: 'not the password' } },
  'a name that nobody has': { lean: true, form: { username: 'nobody at all' } },
  'a name with NUL': { form: { username: 'no\0body' } },
  'a banned user': { lean: true, row: { status: 'banned', status_message: 'Ask the office.' } },
  'a user banned until soon': { lean: true, row: { status: 'banned', ban_expires_at: soon } },
  'a user banned until now': { lean: true, row: { status: 'banned', ban_expires_at: new Date(0) } },
  'a disabled user': { lean: true, row: { status: 'disabled' } },
  'a banned user and a wrong password': { lean: true, row: { status: 'banned' }, form: { password: 'x' } },
  'a user without a password': { lean: true, row: { password_hash: null } },
  'a device': { lean: true, form: device },
  'a device with a bad name': { lean: true, form: { ...device, device_name: 'a\u0007b' } },
  'a device with a long description': {
    lean: true,
    form: { ...device, device_name: 'x'.repeat(300), platform: 'x'.repeat(300), app_version: '\0' },
  },
  'a device with an unknown secret': { lean: true, form: { ...device, device_secret: 'x'.repeat(22) } },
  'a device with a secret that is none': { lean: true, form: { ...device, device_secret: 'a\0b' } },
  'a secret without a device': { lean: true, form: { device_secret: 'x'.repeat(22) } },
  'a device that is too long': { lean: false, form: { device_id: 'x'.repeat(300) } },
  'the scope account': { lean: true, form: { scope: 'account' } },
  'a scope twice': { form: { scope: 'account account' } },
  'profile and email': { lean: true, form: { scope: 'profile account email' } },
  offline_access: { lean: true, form: { scope: 'offline_access account' } },
  openid: { lean: false, form: { scope: 'openid account' } },
  admin: { lean: false, form: { scope: 'account admin' } },
  'admin, of a client that may': { client: 'administrative', lean: false, form: { scope: 'admin' } },
  'an unknown scope': { lean: false, form: { scope: 'account everything' } },
  "another API's scope": { lean: false, form: { scope: 'orders:read' } },
  'a malformed scope': { lean: false, form: { scope: 'account  "x"' } },
  'blanks for a scope': { lean: false, form: { scope: ' ' } },
  'our own API named': { lean: false, form: { resource: ownApi } },
  'another API': { lean: false, form: { resource: orders, scope: 'orders:read' } },
  'an API of opaque tokens': { lean: false, form: { resource: opaque } },
  'no password': { lean: false, form: { password: undefined } },
  'an empty password': { lean: false, form: { password: '' } },
  'no name': { lean: false, form: { username: undefined } },
  'two names': { lean: false, form: { username: ['a', 'b'] } },
  'a parameter that nobody knows': { lean: false, form: { state: 'x' } },
  'a registered origin': { client: 'spa', lean: true, question: { headers: { Origin: page } } },
  'a registered origin and a wrong password': {
    client: 'spa',
    lean: true,
    form: { password: 'wrong' },
    question: { headers: { Origin: page } },
  },
  'another origin': { client: 'spa', lean: false, question: { headers: { Origin: 'https://evil.test' } } },
  'a proof that is none': { lean: false, question: { headers: { DPoP: 'x' } } },
  'a body in pieces': { lean: false, question: { chunked: true } },
};
for (const client of clientNames) cases[`the client ${client}`] = { client };
for (const way of new Set(ways)) {
  cases[`the way ${way}`] = { client: 'basic', way };
  cases[`the way ${way} of a public client`] = { client: 'strict', way };
}

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
  const headers = { 'User-Agent': 'twins/1.0', ...proof.headers, ...given.question?.headers };
  return await send(`${app.url}/token`, { form, ...given.question, headers });
}

/** What was said and written, with the ids of the session that was opened taken out. */
async function told({ deps }: Pair, user: User, answer: Answer): Promise<object> {
  const opened = await deps.db<Session>('sessions').where({ user_id: user.id });
  // A refusal opens none; then there are no ids of one to take out.
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
    said: await comparableAnswer(deps, answer, opened.length > 0 ? twin : null),
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
  const reached = pair.lean.reached();
  const lean = await ask(pair.lean, given, one);
  const isLean = pair.lean.reached() === reached;
  const plain = await ask(pair.plain, given, other);
  t.deepEqual(
    withoutUnlike(await told(pair, one, lean)),
    withoutUnlike(await told(pair, other, plain)),
    title,
  );
  if (given.lean !== undefined) t.is(isLean, given.lean, `${title}: on the lean path?`);
  return isLean;
}

// What differs from twin to twin, or from second to second.
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

testOnStores('a login is answered alike on the lean path and by the engine', async (t, store) => {
  const pair = await openPair(t, store);
  await createTwinClients(pair.deps.db);
  let lean = 0;
  for (const [title, given] of Object.entries(cases)) if (await compare(t, pair, title, given)) lean += 1;
  t.log(`${lean} of ${Object.keys(cases).length} on the lean path`);
});

testOnStores('both paths count wrong passwords alike, and refuse one too many alike', async (t, store) => {
  const pair = await openPair(t, store, { RATE_LIMITS: 'memory', RATE_LIMIT_PASSWORD: '2/3600' });
  await createTwinClients(pair.deps.db);
  const [one, other] = [await makeUser(pair, {}), await makeUser(pair, {})];
  for (const guess of ['wrong', 'wrong as well', 'one too many', password]) {
    const given: Case = { form: { password: guess } };
    const lean = await told(pair, one, await ask(pair.lean, given, one));
    const plain = await told(pair, other, await ask(pair.plain, given, other));
    t.deepEqual(withoutUnlike(lean), withoutUnlike(plain), guess);
  }
  t.is(pair.lean.reached(), 0);
});

testOnStores('both paths know a device by the secret that either gave it', async (t, store) => {
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
    [pair.lean, pair.lean],
    [pair.lean, pair.plain],
    [pair.plain, pair.lean],
    [pair.plain, pair.plain],
  ] as const) {
    t.deepEqual(await known(from, to), [200, 429, 200, true]);
  }
});

testOnStores(
  'a secret that was removed opens nothing more, whatever is remembered of it',
  async (t, store) => {
    const pair = await openPair(t, store);
    await createTwinClients(pair.deps.db);
    const user = await makeUser(pair, {});
    t.is((await ask(pair.lean, { client: 'basic' }, user)).status, 200);
    // By another node, or by hand.
    await store
      .db('clients')
      .where({ client_id: 'basic' })
      .update({ secrets: json([]) });
    t.is((await ask(pair.lean, { client: 'basic' }, user)).status, 401);
  },
);

testOnStores('a ban while the password is verified is told by the lean path, too', async (t, store) => {
  const pair = await openPair(t, store);
  await createTwinClients(pair.deps.db);
  for (let round = 0; round < 5; round += 1) {
    const user = await makeUser(pair, {});
    const logins = Array.from({ length: 6 }, () => ask(pair.lean, {}, user));
    await store.db('users').where({ id: user.id }).update({ status: 'banned' });
    for (const { status, body } of await Promise.all(logins)) {
      if (status !== 200)
        t.deepEqual([status, body.error, body.reason], [400, 'invalid_grant', 'account_banned']);
    }
    const late = await ask(pair.lean, {}, user);
    t.deepEqual([late.status, late.body.reason], [400, 'account_banned']);
  }
});
