// The caller's devices: list, read, rename, forget.
import { newId } from '../../../src/lib/ids.ts';
import { assertRefused, granted, type Json } from '../../helpers/client.ts';
import { api, isActive, refresh, type SignedIn, signIn } from '../../helpers/oauth.ts';
import { rowOf } from '../../helpers/rows.ts';
import { type TestServer, testOnServers } from '../../helpers/server.ts';
import { assertEnded, phone, readStory } from '../../helpers/sessions.ts';

const nothing = { status: 404, error: 'not_found' };
const invalid = { status: 400, error: 'invalid_request' };

async function list(server: TestServer, { tokens }: SignedIn): Promise<Json[]> {
  return granted(await api(server, 'GET /devices', tokens.access_token)).devices as Json[];
}

/** A user on a phone, and the phone's own id. */
async function enter(server: TestServer): Promise<SignedIn & { device: string }> {
  const me = await signIn(server, { form: phone });
  const { id } = await rowOf(server.db('devices').where({ user_id: me.user.id }).first());
  return { ...me, device: id };
}

testOnServers(
  'the list has my devices, last seen first, without push tokens and secrets',
  async (t, server) => {
    const me = await enter(server);
    await signIn(server, { ...me, form: { device_id: 'laptop' } });
    await enter(server);
    const rows = await server.db('devices').where({ user_id: me.user.id }).orderBy('created_at', 'desc');
    const hidden = {
      user_id: undefined,
      push_token: undefined,
      secret_digest: undefined,
      secret_proof: undefined,
    };
    const sessions = await server.db('sessions').where({ user_id: me.user.id });
    const used = new Map(sessions.map((one) => [one.device_id, one.last_used_at.toISOString()]));
    const described = rows.map((row) => ({
      ...JSON.parse(JSON.stringify({ ...row, ...hidden })),
      created_at: row.created_at.toISOString(),
      last_seen_at: used.get(row.id),
    }));
    const listed = await list(server, me);
    t.deepEqual(listed, described);
    t.deepEqual(
      listed.map((one) => [one.device_id, one.name, one.platform]),
      [
        ['laptop', null, null],
        ['phone', 'My phone', 'ios'],
      ],
    );
    await signIn(server, { ...me, form: phone });
    t.deepEqual(
      (await list(server, me)).map((one) => one.device_id),
      ['phone', 'laptop'],
    );
    const one = await api(server, `GET /devices/${me.device}`, me.tokens.access_token);
    t.deepEqual(one.body, (await list(server, me))[0]);
  },
);

testOnServers('a user can rename a device, and the name stays', async (t, server) => {
  const me = await enter(server);
  const before = await list(server, me);
  const rename = (json: unknown) =>
    api(server, `PATCH /devices/${me.device}`, me.tokens.access_token, { json });
  const name = 'Mein Handy 📱 (neu)';
  t.deepEqual(granted(await rename({ name })), { ...before[0], name });
  const form = { ...phone, device_name: 'What the app says', push_token: 'push-of-the-renamed' };
  await signIn(server, { ...me, form });
  t.is((await list(server, me))[0]?.name, name);
  const bad = [
    {},
    { name: '' },
    { name: null },
    { name: 1 },
    { name: 'x'.repeat(101) },
    { name: 'a\u0000b' },
  ];
  for (const json of [
    ...bad,
    { name: 'a\nb' },
    { name: 'a\ud800' },
    { name, push_token: '' },
    { user_id: newId(), name },
  ]) {
    assertRefused(t, await rename(json), invalid, JSON.stringify(json));
  }
  t.is((await list(server, me))[0]?.name, name);
  const { push_token } = await rowOf(server.db('devices').where({ id: me.device }).first());
  t.is(push_token, form.push_token);
});

testOnServers('forgetting a device ends its sessions and no others', async (t, server) => {
  const me = await enter(server);
  const sameDevice = await signIn(server, { ...me, form: phone });
  const other = await signIn(server, { ...me, form: { device_id: 'laptop' } });
  const path = `DELETE /devices/${me.device}`;
  const answer = await api(server, path, other.tokens.access_token);
  t.deepEqual([answer.status, answer.text], [204, '']);
  for (const { client, tokens } of [me, sameDevice]) {
    t.is(await isActive(server, tokens.access_token), false);
    const refused = await refresh(server, client, tokens.refresh_token);
    assertRefused(t, refused, { status: 400, error: 'invalid_grant', reason: 'session_ended' });
  }
  const story = await readStory(server, other, me);
  assertEnded(t, story, 'device_removed', 'user');
  t.is(story.device, null);
  t.deepEqual(
    (await list(server, other)).map((one) => one.device_id),
    ['laptop'],
  );
  assertRefused(t, await api(server, path, other.tokens.access_token), nothing);
  assertRefused(t, await api(server, `GET /devices/${me.device}`, other.tokens.access_token), nothing);
  await signIn(server, { ...me, form: phone });
  t.is((await list(server, other)).length, 2, 'the same device may register again, as a new row');
  t.not((await list(server, other))[0]?.id, me.device);
});

testOnServers("another user's device is not found", async (t, server) => {
  const me = await signIn(server);
  const stranger = await enter(server);
  const path = `/devices/${stranger.device}`;
  const { access_token } = me.tokens;
  assertRefused(t, await api(server, `GET ${path}`, access_token), nothing);
  assertRefused(t, await api(server, `DELETE ${path}`, access_token), nothing);
  assertRefused(t, await api(server, `PATCH ${path}`, access_token, { json: { name: 'mine' } }), nothing);
  t.is((await list(server, stranger))[0]?.name, phone.device_name);
  t.is(await isActive(server, stranger.tokens.access_token), true);
});

testOnServers('every device route requires a token with the scope account', async (t, server) => {
  const { device, ...me } = await enter(server);
  const weak = await signIn(server, { ...me, form: { scope: 'openid' } });
  for (const line of [
    'GET /devices',
    `GET /devices/${device}`,
    `PATCH /devices/${device}`,
    `DELETE /devices/${device}`,
  ]) {
    assertRefused(t, await api(server, line), { status: 401, error: 'invalid_token' }, line);
    const refused = await api(server, line, weak.tokens.access_token);
    assertRefused(t, refused, { status: 403, error: 'insufficient_scope' }, line);
  }
  t.is((await list(server, me)).length, 1);
});
