// Lockouts as a weapon: attackers fail on purpose while the owner wants to log in.
import { makeClient, makeUser, password } from '../helpers/builders.ts';
import { setUpScene, startRequest, typePassword } from '../helpers/code_flow.ts';
import { api, login, signIn, tokensOf } from '../helpers/oauth.ts';
import { change, fresh } from '../helpers/password_change.ts';
import { type TestServer, testOnOwnServers } from '../helpers/server.ts';
import type { StoreName } from '../helpers/stores.ts';
import { openUserAgent, type Page, textOf, type UserAgent } from '../helpers/user_agent.ts';

const counted = (store: StoreName) => ({
  RATE_LIMITS: store === 'sqlite' ? 'memory' : 'database',
  RATE_LIMIT_LOGIN_ADDRESS: '8/3600',
  LOCKOUT: '6/600/900',
  TRUST_PROXY: '1',
});
const at = (ip: string) => ({ 'X-Forwarded-For': ip });

interface Named {
  username: string;
}

async function signInAtAccount(
  server: TestServer,
  ua: UserAgent,
  { username }: Named,
  word = password,
): Promise<Page> {
  const page = await ua.open(`${server.url}/account`);
  return await ua.submit(page, '/account/login', { username, password: word });
}

/** Fails to log in, from several networks, until the name is locked out. */
async function lockOut(server: TestServer, user: Named): Promise<void> {
  const client = await makeClient(server.db);
  const statuses: number[] = [];
  for (let i = 0; i < 8; i += 1) {
    const extra = { headers: at(`198.51.100.${i}`) };
    statuses.push((await login(server, user, client, { password: 'wrong' }, extra)).status);
  }
  if (statuses.at(-1) !== 429) throw new Error(`not locked out: ${statuses}`);
}

const signOut = (ua: UserAgent) => ua.cookies.delete('kindred_session;/');

testOnOwnServers(
  'wrong passwords from elsewhere lock out neither the app nor the browser of the owner',
  counted,
  async (t, server) => {
    const { user, client, tokens } = await signIn(server, { form: { device_id: 'phone' } });
    const ua = openUserAgent(server.url);
    t.is((await signInAtAccount(server, ua, user)).status, 200);
    signOut(ua);
    await lockOut(server, user);
    t.is((await login(server, user, client, { device_id: 'phone' })).status, 429);
    const { device_secret = '' } = tokens;
    tokensOf(await login(server, user, client, { device_id: 'phone', device_secret }));
    t.is((await signInAtAccount(server, openUserAgent(server.url), user)).status, 429);
    t.is((await signInAtAccount(server, ua, user)).status, 200);
  },
);

testOnOwnServers(
  'a known browser is known at the login for a third-party client too',
  counted,
  async (t, server) => {
    const scene = await setUpScene(server);
    const { ua, user } = scene;
    await signInAtAccount(server, ua, user);
    signOut(ua);
    await lockOut(server, user);
    const page = await ua.open((await startRequest(scene)).url.href);
    t.true((await typePassword(ua, page, user)).forms.some((one) => one.action.endsWith('/consent')));
  },
);

testOnOwnServers('a known browser counts its own failures', counted, async (t, server) => {
  const user = await makeUser(server.db);
  const ua = openUserAgent(server.url);
  await signInAtAccount(server, ua, user);
  signOut(ua);
  for (let i = 0; i < 5; i += 1) t.is((await signInAtAccount(server, ua, user, 'wrong')).status, 403);
  t.is((await signInAtAccount(server, ua, user, 'wrong')).status, 429);
  t.is((await signInAtAccount(server, openUserAgent(server.url), user)).status, 200, 'and no others');
});

testOnOwnServers('a browser is known for each of its users', counted, async (t, server) => {
  const users = [await makeUser(server.db), await makeUser(server.db)];
  const ua = openUserAgent(server.url);
  for (const user of users) {
    await signInAtAccount(server, ua, user);
    signOut(ua);
  }
  for (const user of users) {
    await lockOut(server, user);
    t.is((await signInAtAccount(server, ua, user)).status, 200);
    signOut(ua);
  }
  t.is((await server.db('known_browsers')).length, 2);
});

testOnOwnServers('a planted device cookie does not make a browser known', counted, async (t, server) => {
  const user = await makeUser(server.db);
  const planted = 'p'.repeat(22);
  const ua = openUserAgent(server.url);
  ua.cookies.set('kindred_device;/', { name: 'kindred_device', value: planted, path: '/' });
  await signInAtAccount(server, ua, user);
  const stranger = openUserAgent(server.url);
  stranger.cookies.set('kindred_device;/', { name: 'kindred_device', value: planted, path: '/' });
  await lockOut(server, user);
  t.is((await signInAtAccount(server, stranger, user)).status, 429);
});

testOnOwnServers(
  'the device cookie names no user, is HttpOnly, and is stored as a digest',
  counted,
  async (t, server) => {
    const user = await makeUser(server.db);
    const page = await openUserAgent(server.url).open(`${server.url}/account`);
    const [form] = page.forms;
    if (!form) throw new Error(textOf(page));
    const ua = openUserAgent(server.url);
    const fields = { username: user.username, password };
    const answer = await ua.post(await ua.open(`${server.url}/account`), '/account/login', fields);
    const [line = ''] = answer.headers.getSetCookie().filter((one) => one.startsWith('kindred_device='));
    t.regex(line, /^kindred_device=[\w-]{22}; path=\/; expires=[^;]+; samesite=lax; httponly$/);
    const [, secret = ''] = /=([\w-]{22});/.exec(line) ?? [];
    const rows = await server.db('known_browsers');
    t.false(JSON.stringify(rows).includes(secret), 'kept as a digest');
  },
);

testOnOwnServers(
  'a change of the password makes every device unknown except the one that changes it',
  counted,
  async (t, server) => {
    const one = await signIn(server, { form: { device_id: 'one' } });
    const { user, client } = one;
    const two = await signIn(server, { user, client, form: { device_id: 'two' } });
    const ua = openUserAgent(server.url);
    await signInAtAccount(server, ua, user);
    signOut(ua);
    t.is((await change(server, one.tokens.access_token)).status, 200);
    await lockOut(server, user);
    const again = async (device_id: string, { device_secret = '' }: { device_secret?: string }) =>
      (await login(server, user, client, { device_id, device_secret, password: fresh })).status;
    t.is(await again('two', two.tokens), 429);
    t.is(await again('one', one.tokens), 200);
    t.is((await signInAtAccount(server, ua, user, fresh)).status, 429);
  },
);

testOnOwnServers('the browser in which the password was changed stays known', counted, async (t, server) => {
  const user = await makeUser(server.db);
  const [ua, other] = [openUserAgent(server.url), openUserAgent(server.url)];
  await signInAtAccount(server, other, user);
  const account = await signInAtAccount(server, ua, user);
  await ua.submit(account, '/account/password', { current_password: password, new_password: fresh });
  signOut(ua);
  await lockOut(server, user);
  t.is((await signInAtAccount(server, ua, user, fresh)).status, 200);
  t.is((await signInAtAccount(server, other, user, fresh)).status, 429);
});

testOnOwnServers('a device that its user removes is no longer known', counted, async (t, server) => {
  const { user, client, tokens } = await signIn(server, { form: { device_id: 'phone' } });
  const { body } = await api(server, 'GET /devices', tokens.access_token);
  const [device] = (body as { devices: { id: string }[] }).devices;
  t.false(JSON.stringify(body).includes('secret'));
  t.is((await api(server, `DELETE /devices/${device?.id}`, tokens.access_token)).status, 204);
  await lockOut(server, user);
  const { device_secret = '' } = tokens;
  t.is((await login(server, user, client, { device_id: 'phone', device_secret })).status, 429);
});

testOnOwnServers('one address cannot try one password on every user', counted, async (t, server) => {
  const client = await makeClient(server.db);
  const users = await Promise.all(Array.from({ length: 12 }, () => makeUser(server.db)));
  const { tokens, user } = await signIn(server, { client, form: { device_id: 'phone' } });
  const statuses: number[] = [];
  for (const [i, one] of users.entries()) {
    const extra = { headers: at(`2001:db8::${i + 1}`) };
    statuses.push((await login(server, one, client, { password: 'Summer2026!' }, extra)).status);
  }
  t.deepEqual(statuses, [...Array(8).fill(400), ...Array(4).fill(429)]);
  const [first] = users;
  const here = { headers: at('2001:db8::ffff') };
  t.is((await login(server, first ?? user, client, {}, here)).status, 429);
  t.is((await login(server, first ?? user, client, {}, { headers: at('2001:db8:0:1::1') })).status, 200);
  const { device_secret = '' } = tokens;
  t.is((await login(server, user, client, { device_id: 'phone', device_secret }, here)).status, 200);
});
