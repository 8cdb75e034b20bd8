// The device parameters of a login, and the row that they make.
import { findUserSession } from '../../src/core/sessions/session_list.ts';
import { digest } from '../../src/lib/crypto.ts';
import { makeClient, makeUser } from '../helpers/builders.ts';
import { assertRefused, type Form } from '../helpers/client.ts';
import { login, signIn, tokensOf } from '../helpers/oauth.ts';
import { rowsOf } from '../helpers/rows.ts';
import { type TestServer, testOnServers } from '../helpers/server.ts';

const phone = {
  device_id: 'phone-1',
  device_name: 'My phone',
  platform: 'ios',
  app_version: '1.2.3',
  push_token: 'push-token-of-the-phone',
};

async function devicesOf(server: TestServer, user_id: string) {
  return await server.db('devices').where({ user_id }).orderBy('created_at');
}

testOnServers('a login registers its device', async (t, server) => {
  const form = { ...phone, push_token: 'push-token-that-registers' };
  const { user, tokens } = await signIn(server, { form });
  const [device, ...others] = await rowsOf(devicesOf(server, user.id));
  const { id, created_at, last_seen_at, secret_digest, secret_proof, ...rest } = device;
  const { device_name: name, ...given } = form;
  t.deepEqual(rest, { user_id: user.id, name, ...given });
  t.deepEqual(others, []);
  t.deepEqual(created_at, last_seen_at);
  t.is(secret_digest, digest(tokens.device_secret ?? ''));
  t.is(secret_proof, digest(user.password_hash ?? ''));
  t.is((await findUserSession(server.db, user.id, tokens.session_id))?.device_id, id);
});

testOnServers('the same device keeps its row, which is updated', async (t, server) => {
  const first = { ...phone, push_token: 'push-token-that-stays' };
  const { user, client } = await signIn(server, { form: first });
  const [before] = await rowsOf(devicesOf(server, user.id));
  const form = { device_id: phone.device_id, device_name: 'Another name', app_version: '1.3.0' };
  await signIn(server, { user, client, form });
  const [device, ...others] = await rowsOf(devicesOf(server, user.id));
  const { last_seen_at, secret_digest: _, ...rest } = device;
  const { last_seen_at: seen, secret_digest: _1, ...same } = before;
  t.deepEqual(rest, { ...same, app_version: '1.3.0' }, 'the name that the user gave it stays');
  t.true(last_seen_at > seen);
  t.deepEqual(others, []);
});

testOnServers('no login fails because of a description of its device', async (t, server) => {
  const form = { ...phone, device_name: `${'x'.repeat(99)}📱`, platform: 'p'.repeat(60), app_version: '1\0' };
  for (const scope of ['account', 'openid account']) {
    const { user } = await signIn(server, { form: { ...form, scope } });
    const [device] = await rowsOf(devicesOf(server, user.id));
    t.deepEqual([device.name, device.platform, device.app_version], ['x'.repeat(99), 'p'.repeat(50), '1']);
  }
});

testOnServers('a login with a device_id gets a device_secret', async (t, server) => {
  for (const scope of ['account', 'openid account']) {
    const form = { ...phone, scope };
    const { user, client, tokens } = await signIn(server, { form });
    const { device_secret } = tokens;
    t.regex(device_secret ?? '', /^[\w-]{22}$/);
    const again = await signIn(server, {
      user,
      client,
      form: { ...form, device_secret: device_secret ?? '' },
    });
    t.is(again.tokens.device_secret, device_secret, 'the same secret for a login that presents it');
    const lost = await signIn(server, { user, client, form });
    t.not(lost.tokens.device_secret, device_secret, 'a new secret for a login that does not');
    const wrong = await signIn(server, {
      user,
      client,
      form: { ...form, device_secret: device_secret ?? '' },
    });
    t.not(wrong.tokens.device_secret, device_secret, 'the old secret is no longer valid');
    const unnamed = await signIn(server, { user, client, form: { scope } });
    t.is(unnamed.tokens.device_secret, undefined);
  }
});

testOnServers('a device_id means nothing beyond its user', async (t, server) => {
  const one = await signIn(server, { form: phone });
  const two = await signIn(server, { form: phone });
  const [first] = await rowsOf(devicesOf(server, one.user.id));
  const [second] = await rowsOf(devicesOf(server, two.user.id));
  t.not(first.id, second.id);
});

testOnServers(
  'ten simultaneous logins from one device make one device and ten sessions',
  async (t, server) => {
    const user = await makeUser(server.db);
    const client = await makeClient(server.db);
    const answers = await Promise.all(Array.from({ length: 10 }, () => login(server, user, client, phone)));
    t.is(new Set(answers.map((answer) => tokensOf(answer).session_id)).size, 10);
    t.is((await devicesOf(server, user.id)).length, 1);
  },
);

testOnServers('a login without device_id registers no device', async (t, server) => {
  const { device_id: _, ...form } = phone;
  const { user, tokens } = await signIn(server, { form });
  t.deepEqual(await devicesOf(server, user.id), []);
  t.is((await findUserSession(server.db, user.id, tokens.session_id))?.device_id, null);
});

testOnServers('a failed login registers no device', async (t, server) => {
  const user = await makeUser(server.db);
  const client = await makeClient(server.db);
  const answer = await login(server, user, client, { ...phone, password: 'wrong' });
  assertRefused(t, answer, { status: 400, error: 'invalid_grant' });
  t.deepEqual(await devicesOf(server, user.id), []);
});

testOnServers('a device_id or push token that is too long or not text is refused', async (t, server) => {
  const user = await makeUser(server.db);
  const client = await makeClient(server.db);
  const bad: Form[] = [
    { device_id: 'x'.repeat(201) },
    { device_id: 'a\0b' },
    { device_id: 'a\nb' },
    { push_token: 'x'.repeat(4_097) },
  ];
  for (const form of bad) {
    const answer = await login(server, user, client, { ...phone, ...form });
    assertRefused(t, answer, { status: 400, error: 'invalid_request' }, JSON.stringify(form).slice(0, 40));
  }
  t.deepEqual(await devicesOf(server, user.id), []);
});
