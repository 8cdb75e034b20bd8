// Push tokens of devices: set by a login or by PATCH, removed by a logout, never left on a device that is signed out.
import { assertRefused, granted } from '../../helpers/client.ts';
import { api, refresh, type SignedIn, signIn, tokensOf } from '../../helpers/oauth.ts';
import { rowOf } from '../../helpers/rows.ts';
import { type TestServer, testOnServers } from '../../helpers/server.ts';
import { phone, pushTokenOf } from '../../helpers/sessions.ts';

const signedOut = { status: 409, error: 'device_signed_out' };

async function deviceOf({ db }: TestServer, { user }: SignedIn) {
  return await rowOf(db('devices').where({ user_id: user.id }).first());
}

async function setToken(server: TestServer, me: SignedIn, id: string, push_token: unknown) {
  return await api(server, `PATCH /devices/${id}`, me.tokens.access_token, { json: { push_token } });
}

testOnServers('a device gets a new push token, and its name stays', async (t, server) => {
  const me = await signIn(server, { form: phone });
  const { id } = await deviceOf(server, me);
  const device = granted(await setToken(server, me, id, 'push-2'));
  t.deepEqual([device.name, device.push_token], ['My phone', undefined], 'no answer holds a push token');
  t.is(await pushTokenOf(server, me), 'push-2');
  const json = { name: 'Blue phone', push_token: null };
  const changed = granted(await api(server, `PATCH /devices/${id}`, me.tokens.access_token, { json }));
  t.deepEqual([changed.name, await pushTokenOf(server, me)], ['Blue phone', null]);
  for (const push_token of ['', 'x'.repeat(4_097), 7, 'a\u0000b'])
    assertRefused(t, await setToken(server, me, id, push_token), { status: 400, error: 'invalid_request' });
  assertRefused(t, await api(server, `PATCH /devices/${id}`, me.tokens.access_token, { json: {} }), {
    status: 400,
    error: 'invalid_request',
  });
  t.is((await setToken(server, me, id, 'x'.repeat(4_096))).status, 200);
});

testOnServers(
  'nobody sets the push token of another user’s device, or of one that is signed out',
  async (t, server) => {
    const me = await signIn(server, { form: phone });
    const { id } = await deviceOf(server, me);
    const mallory = await signIn(server);
    assertRefused(t, await setToken(server, mallory, id, 'mine'), { status: 404, error: 'not_found' });
    const laptop = await signIn(server, { user: me.user, client: me.client });
    await api(server, 'POST /logout', me.tokens.access_token, { json: {} });
    assertRefused(t, await setToken(server, laptop, id, 'back'), signedOut);
    const both = { name: 'Renamed', push_token: 'back' };
    const refused = await api(server, `PATCH /devices/${id}`, laptop.tokens.access_token, { json: both });
    assertRefused(t, refused, signedOut);
    const { name, push_token } = await deviceOf(server, me);
    t.deepEqual([name, push_token], ['My phone', null], 'a refusal changes nothing');
    t.is((await setToken(server, laptop, id, null)).status, 200);
  },
);

testOnServers(
  'a logout removes the push token that it names, though another session is live there',
  async (t, server) => {
    const me = await signIn(server, { form: phone });
    await signIn(server, { ...me, form: phone });
    const tablet = await signIn(server, {
      ...me,
      form: { ...phone, device_id: 'tablet', push_token: 'push-tablet' },
    });
    const stranger = await signIn(server, { form: { ...phone, push_token: 'push-stranger' } });
    const logout = await api(server, 'POST /logout', me.tokens.access_token, {
      json: { push_token: 'push' },
    });
    t.deepEqual(granted(logout), { sessions_ended: 1 });
    await api(server, 'POST /logout', tablet.tokens.access_token, {
      json: { push_token: 'push-stranger', session_id: me.tokens.session_id },
    });
    const rows = await server.db('devices').where({ user_id: me.user.id }).orderBy('device_id');
    t.deepEqual(
      rows.map((one) => [one.device_id, one.push_token]),
      [
        ['phone', null],
        ['tablet', 'push-tablet'],
      ],
    );
    t.is(await pushTokenOf(server, stranger), 'push-stranger', 'that of another user stays');
    const unknown = await api(server, 'POST /logout', tablet.tokens.access_token, {
      json: { push_token: 'other' },
    });
    t.deepEqual(granted(unknown), { sessions_ended: 1 });
  },
);

testOnServers('of a push token and the last logout at once, no token is left', async (t, server) => {
  for (let round = 0; round < 10; round += 1) {
    const me = await signIn(server, { form: { device_id: 'phone' } });
    const laptop = await signIn(server, { user: me.user, client: me.client });
    const { id } = await deviceOf(server, me);
    const answers = await Promise.all([
      setToken(server, laptop, id, 'late'),
      api(server, 'POST /logout', me.tokens.access_token, { json: {} }),
    ]);
    t.true([200, 409].includes(answers[0].status), answers[0].text);
    t.is(await pushTokenOf(server, me), null);
  }
});

testOnServers('a device was last seen when one of its sessions was last used', async (t, server) => {
  const me = await signIn(server, { form: phone });
  const { id } = await deviceOf(server, me);
  const ago = new Date(Date.now() - 3_600_000);
  await server.db('devices').where({ id }).update({ last_seen_at: ago });
  await server.db('sessions').where({ id: me.tokens.session_id }).update({ last_used_at: ago });
  const tokens = tokensOf(await refresh(server, me.client, me.tokens.refresh_token));
  const { last_used_at } = await rowOf(server.db('sessions').where({ id: me.tokens.session_id }).first());
  const read = async (token: string) => granted(await api(server, `GET /devices/${id}`, token)).last_seen_at;
  t.is(await read(tokens.access_token), last_used_at.toISOString());
  const tablet = await signIn(server, { ...me, form: { device_id: 'tablet' } });
  const list = granted(await api(server, 'GET /devices?limit=1', tablet.tokens.access_token));
  const next = granted(
    await api(server, `GET /devices?limit=1&cursor=${list.next_cursor}`, tablet.tokens.access_token),
  );
  t.like(next, { devices: [{ id, last_seen_at: last_used_at.toISOString() }], next_cursor: null });
  await api(server, 'POST /logout', tokens.access_token, { json: {} });
  t.is(await read(tablet.tokens.access_token), last_used_at.toISOString(), 'also after its end');
  t.deepEqual((await deviceOf(server, { ...me })).created_at < last_used_at, true);
});

testOnServers('a push token goes along with the phone to the user who uses it last', async (t, server) => {
  const form = { ...phone, push_token: 'push-of-one-phone' };
  const before = await signIn(server, { form });
  const after = await signIn(server, { form });
  t.deepEqual([await pushTokenOf(server, before), await pushTokenOf(server, after)], [null, form.push_token]);
  const { id } = await deviceOf(server, before);
  t.is((await setToken(server, before, id, form.push_token)).status, 200);
  t.deepEqual([await pushTokenOf(server, before), await pushTokenOf(server, after)], [form.push_token, null]);
  const own = await signIn(server, { ...before, form: { ...form, device_id: 'restored' } });
  t.is(own.user.id, before.user.id);
  const tokens = await server.db('devices').where({ user_id: own.user.id }).pluck('push_token');
  t.deepEqual(tokens, [form.push_token, form.push_token], 'those of the same user stay');
});
