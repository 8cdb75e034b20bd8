// Logging out: the current session, another one, or all of them.
import { newId } from '../../../src/lib/ids.ts';
import { makeUser } from '../../helpers/builders.ts';
import { assertRefused, granted } from '../../helpers/client.ts';
import { api, isActive, refresh, signIn } from '../../helpers/oauth.ts';
import { testOnServers } from '../../helpers/server.ts';
import { assertEnded, phone, pushTokenOf, readStory } from '../../helpers/sessions.ts';

const ended = { status: 400, error: 'invalid_grant', reason: 'session_ended' };

testOnServers('logging out ends the current session and removes its push token', async (t, server) => {
  for (const json of [undefined, {}, { logout_all: false }]) {
    const me = await signIn(server, { form: phone });
    const other = await signIn(server, me);
    const answer = await api(server, 'POST /logout', me.tokens.access_token, { json });
    t.deepEqual([answer.status, answer.body], [200, { sessions_ended: 1 }]);
    t.is(await isActive(server, me.tokens.access_token), false);
    assertRefused(t, await refresh(server, me.client, me.tokens.refresh_token), ended);
    t.is(await pushTokenOf(server, me), null);
    t.is(await isActive(server, other.tokens.access_token), true);
  }
});

testOnServers('logging out another session ends that session alone', async (t, server) => {
  const me = await signIn(server);
  const other = await signIn(server, { ...me, form: phone });
  const json = { session_id: other.tokens.session_id };
  const logout = () => api(server, 'POST /logout', me.tokens.access_token, { json });
  t.deepEqual(granted(await logout()), { sessions_ended: 1 });
  t.deepEqual(granted(await logout()), { sessions_ended: 0 });
  t.is(await pushTokenOf(server, other), null);
  t.is(await isActive(server, me.tokens.access_token), true);
  t.is(await isActive(server, other.tokens.access_token), false);
});

testOnServers('logging out everywhere ends all of my sessions and no other user’s', async (t, server) => {
  const user = await makeUser(server.db);
  const me = await signIn(server, { user });
  const others = [await signIn(server, me), await signIn(server, { user })];
  const onPhone = await signIn(server, { user, form: phone });
  const stranger = await signIn(server);
  const answer = await api(server, 'POST /logout', me.tokens.access_token, { json: { logout_all: true } });
  t.deepEqual(answer.body, { sessions_ended: 4 });
  for (const { client, tokens } of [me, ...others, onPhone]) {
    t.is(await isActive(server, tokens.access_token), false);
    assertRefused(t, await refresh(server, client, tokens.refresh_token), ended);
  }
  t.is(await pushTokenOf(server, onPhone), null);
  t.is(await isActive(server, stranger.tokens.access_token), true);
  const again = await signIn(server, { user });
  assertEnded(t, await readStory(server, again, me), 'logout_all', 'user');
});

testOnServers('a logout with contradictory members ends nothing', async (t, server) => {
  const { tokens } = await signIn(server);
  const invalid = { status: 400, error: 'invalid_request' };
  for (const json of [{ session_id: newId(), logout_all: true }, { logout_all: 'yes' }, { all: true }]) {
    assertRefused(t, await api(server, 'POST /logout', tokens.access_token, { json }), invalid);
  }
  t.is(await isActive(server, tokens.access_token), true);
});
