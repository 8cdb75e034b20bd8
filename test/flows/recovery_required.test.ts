// A password that is good for nothing until the account is recovered, at every door that asks for one.
import { makeClient, makeUser, password } from '../helpers/builders.ts';
import { assertRefused } from '../helpers/client.ts';
import { api, login, signIn } from '../helpers/oauth.ts';
import { testOnServers } from '../helpers/server.ts';
import { openUserAgent, textOf } from '../helpers/user_agent.ts';

const inRecovery = { password_use: 'recover' } as const;

testOnServers(
  'a password in recovery is answered as a wrong one, with the reason after the right one',
  async (t, server) => {
    const user = await makeUser(server.db);
    const client = await makeClient(server.db);
    await server.db('users').where({ id: user.id }).update(inRecovery);
    const wrong = await login(server, user, client, { password: 'wrong' });
    const right = await login(server, user, client);
    const { request_id: _id, ...said } = wrong.body;
    t.deepEqual(said, { error: 'invalid_grant', error_description: 'Wrong username or password.' });
    const { request_id: _other, ...reasoned } = right.body;
    t.deepEqual([right.status, reasoned], [wrong.status, { ...said, reason: 'recovery_required' }]);
    t.deepEqual(await server.db('sessions').where({ user_id: user.id }), []);
  },
);

testOnServers('a password in recovery signs in at no page and changes nothing', async (t, server) => {
  const { user, tokens } = await signIn(server);
  await server.db('users').where({ id: user.id }).update(inRecovery);
  const json = { current_password: password, new_password: 'another good long one' };
  const refused = await api(server, 'POST /me/password', tokens.access_token, { json });
  assertRefused(t, refused, { status: 403, error: 'invalid_credentials', reason: 'recovery_required' });
  const ua = openUserAgent(server.url);
  const page = await ua.open(`${server.url}/account`);
  const answer = await ua.submit(page, '/account/login', { username: user.username, password });
  t.is(answer.status, 403);
  t.regex(textOf(answer), /This password cannot be used any more/);
  t.regex(textOf(await ua.open(`${server.url}/account`)), /^Sign in/);
});
