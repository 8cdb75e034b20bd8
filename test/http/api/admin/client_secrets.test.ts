// Client secrets through the admin API: shown once, two at a time, each with its own expiry.
import { newId } from '../../../../src/lib/ids.ts';
import { type Admin, enterAsAdmin, post, read, trailOf } from '../../../helpers/admin.ts';
import { makeClient } from '../../../helpers/builders.ts';
import { type Answer, assertRefused, type Json } from '../../../helpers/client.ts';
import { api, token } from '../../../helpers/oauth.ts';
import { type TestServer, testOnServers } from '../../../helpers/server.ts';
import { dumpText } from '../../../helpers/tables.ts';
import { untilTime } from '../../../helpers/until.ts';

const notFound = { status: 404, error: 'not_found' };
const tooMany = { status: 409, error: 'too_many_secrets' };
const lastSecret = { status: 409, error: 'last_secret' };

interface Secret {
  id: string;
  created: string;
  expires: string | null;
}

interface Registered {
  id: string;
  secret: string;
}

/** A client for client_credentials, registered through the admin API. */
async function register(server: TestServer, admin: Admin): Promise<Registered> {
  const { body } = await post(server, admin, '/clients', { grant_types: ['client_credentials'] });
  return { id: String(body.client_id), secret: String(body.client_secret) };
}

async function add(server: TestServer, admin: Admin, id: string, json: Json = {}): Promise<Answer> {
  return await post(server, admin, `/clients/${id}/secrets`, json);
}

async function removeSecret(server: TestServer, admin: Admin, id: string, secret: unknown): Promise<Answer> {
  return await api(server, `DELETE /admin/clients/${id}/secrets/${secret}`, admin.token);
}

async function listSecrets(server: TestServer, admin: Admin, id: string): Promise<Secret[]> {
  return (await read(server, admin, `/clients/${id}`)).client_secrets as Secret[];
}

/** Whether /token accepts a secret, in the header and in the body. */
async function isGood(server: TestServer, client_id: string, client_secret: unknown): Promise<boolean> {
  const basic = Buffer.from(`${client_id}:${client_secret}`).toString('base64');
  const headers = { Authorization: `Basic ${basic}` };
  const { status, body } = await token(server, { grant_type: 'client_credentials' }, { headers });
  if (status === 200) return true;
  if (status === 401 && body.error === 'invalid_client') return false;
  throw new Error(`${status}: ${body.error}`);
}

testOnServers('a secret is shown once and stored nowhere in clear', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const { id, secret } = await register(server, admin);
  const given = 'a-secret-that-the-administrator-chose';
  const chosen = await post(server, admin, '/clients', { client_name: 'Chosen', client_secret: given });
  t.is(chosen.body.client_secret, given);
  const added = await add(server, admin, id);
  t.is(added.status, 201);
  const said = [
    await api(server, `GET /admin/clients/${id}`, admin.token),
    await api(server, 'GET /admin/clients?limit=200', admin.token),
    await api(server, `PATCH /admin/clients/${id}`, admin.token, { json: { client_name: 'Named' } }),
    await api(server, 'GET /admin/events?limit=200', admin.token),
  ];
  const everything = said.map(({ text }) => text).join() + (await dumpText(server.db));
  for (const value of [secret, given, String(added.body.client_secret)]) {
    t.false(everything.includes(value));
  }
  for (const { text } of said) t.notRegex(text, /"(digest|salt|client_secret|secrets)"/);
  t.deepEqual(Object.keys(added.body).sort(), ['client_secret', 'expires_at', 'id']);
});

testOnServers('two secrets are valid at the same time, and a third is refused', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const { id, secret } = await register(server, admin);
  const { body: second } = await add(server, admin, id);
  t.is(second.expires_at, null);
  t.true(await isGood(server, id, secret));
  t.true(await isGood(server, id, second.client_secret));
  t.false(await isGood(server, id, 'neither'));
  assertRefused(t, await add(server, admin, id), tooMany);
  const [newer, older] = await listSecrets(server, admin, id);
  t.is(newer?.id, String(second.id));
  t.is((await removeSecret(server, admin, id, older?.id)).status, 204);
  t.false(await isGood(server, id, secret), 'gone at once');
  t.true(await isGood(server, id, second.client_secret));
  assertRefused(t, await removeSecret(server, admin, id, older?.id), notFound);
  assertRefused(t, await removeSecret(server, admin, id, second.id), lastSecret);
  t.true(await isGood(server, id, second.client_secret), 'the last secret remains valid');
  const trail = await trailOf(server, admin, `client_id=${id}`);
  t.deepEqual(
    trail
      .filter(({ type }) => String(type).startsWith('client_secret_'))
      .map(({ type, detail, actor_id }) => [type, detail, actor_id]),
    [
      ['client_secret_added', { secret_id: second.id }, admin.user.id],
      ['client_secret_removed', { secret_id: older?.id }, admin.user.id],
    ],
  );
});

testOnServers('each secret is refused from its own expiry on', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const { id, secret } = await register(server, admin);
  const ends = { expires_in: 600, previous_expires_in: 1 };
  const asked = Date.now();
  const { body: second } = await add(server, admin, id, ends);
  const answered = Date.now();
  const [newer, older] = await listSecrets(server, admin, id);
  t.is(newer?.expires, String(second.expires_at));
  for (const [one, seconds] of [[newer, 600] as const, [older, 1] as const]) {
    const from = Date.parse(String(one?.expires)) - seconds * 1000;
    t.true(from >= asked && from <= answered, `${seconds} seconds from the moment of the change`);
  }
  t.true(await isGood(server, id, second.client_secret));
  await untilTime(Date.parse(String(older?.expires)) + 1_100);
  t.false(await isGood(server, id, secret));
  t.true(await isGood(server, id, second.client_secret));
  assertRefused(
    t,
    await removeSecret(server, admin, id, second.id),
    lastSecret,
    'an expired secret does not count',
  );
  const { status, body: third } = await add(server, admin, id, { previous_expires_in: 0 });
  t.is(status, 201, 'the expired secret no longer counts');
  t.deepEqual(
    (await listSecrets(server, admin, id)).map((one) => one.id),
    [third.id, second.id],
  );
  t.false(await isGood(server, id, second.client_secret), 'ended in the same moment');
  t.true(await isGood(server, id, third.client_secret));
  for (const wrong of [
    { expires_in: -1 },
    { expires_in: 31_536_001 },
    { expires_in: '60' },
    { secret: 'mine' },
  ]) {
    const refused = { status: 400, error: 'invalid_request' };
    assertRefused(t, await add(server, admin, id, wrong), refused, JSON.stringify(wrong));
  }
});

testOnServers('two simultaneous replacements of a secret create one successor', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const { id, secret } = await register(server, admin);
  const answers = await Promise.all(Array.from({ length: 5 }, () => add(server, admin, id)));
  t.deepEqual(answers.map(({ status }) => status).sort(), [201, 409, 409, 409, 409]);
  const secrets = await listSecrets(server, admin, id);
  t.is(secrets.length, 2);
  const removed = await Promise.all(secrets.map((one) => removeSecret(server, admin, id, one.id)));
  t.deepEqual(removed.map(({ status }) => status).sort(), [204, 409], 'one secret is left');
  const successor = answers.find(({ status }) => status === 201)?.body.client_secret;
  t.is(Number(await isGood(server, id, secret)) + Number(await isGood(server, id, successor)), 1);
});

testOnServers('only clients that authenticate with a secret can have one', async (t, server) => {
  const admin = await enterAsAdmin(server);
  const { client_id } = await makeClient(server.db);
  const { id } = await register(server, admin);
  const [own] = await listSecrets(server, admin, id);
  const refused = await add(server, admin, client_id);
  assertRefused(t, refused, { status: 400, error: 'invalid_request' });
  t.regex(String(refused.body.error_description), /does not authenticate with a secret/);
  for (const none of [client_id, newId(), '%00']) {
    if (none !== client_id) assertRefused(t, await add(server, admin, none), notFound, none);
    assertRefused(t, await removeSecret(server, admin, none, own?.id), notFound, none);
  }
  for (const none of [newId(), 'x', "'"]) {
    assertRefused(t, await removeSecret(server, admin, id, none), notFound, none);
  }
});
