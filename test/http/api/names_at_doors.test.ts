// One normalisation of usernames and addresses at every door: blanks around are removed, what nobody sees is refused.
import { enterAsAdmin, post } from '../../helpers/admin.ts';
import { makeUser, password } from '../../helpers/builders.ts';
import { type Answer, assertRefused, type Json, send } from '../../helpers/client.ts';
import { api, login, signIn } from '../../helpers/oauth.ts';
import { type TestServer, testOnServers } from '../../helpers/server.ts';

const malformed = { status: 400, error: 'invalid_request' };
const unseen = ['\u200f', '\u00ad', '\ufeff', '\u00a0', '\u200b', '\u202e', '\u0007', '\n'];

/** The doors that take an address, by their names. */
async function doorsOf(server: TestServer): Promise<Record<string, (email: string) => Promise<Answer>>> {
  const admin = await enterAsAdmin(server);
  const { user, tokens } = await signIn(server);
  const json = (path: string, body: Json) => send(`${server.url}/api${path}`, { json: body });
  return {
    'sign-up': (email) => json('/sign-up', { email, password }),
    recovery: (login) => json('/recovery', { login }),
    'my address': (email) =>
      api(server, 'POST /me/email', tokens.access_token, { json: { email, current_password: password } }),
    'a new user': (email) => post(server, admin, '/users', { email }),
    'a changed user': (email) =>
      api(server, `PATCH /admin/users/${user.id}`, admin.token, { json: { email } }),
    invitation: (email) => post(server, admin, '/invitations', { email }),
  };
}

testOnServers('no door takes an address with characters that nobody sees', async (t, server) => {
  for (const [door, send] of Object.entries(await doorsOf(server)))
    for (const one of unseen)
      for (const address of [`a${one}da@x.example`, `ada@x.example${one}`, `${one}ada@x.example`])
        assertRefused(t, await send(address), malformed, `${door} ${JSON.stringify(address)}`);
});

testOnServers('no door takes what is no plain address', async (t, server) => {
  const { recovery: _, ...doors } = await doorsOf(server);
  for (const [door, send] of Object.entries(doors))
    for (const address of [
      '"a"@x.example',
      'Ada <ada@x.example>',
      'ada@x.example,eve@x.example',
      'ada@[127.0.0.1]',
      'ada',
    ])
      assertRefused(t, await send(address), malformed, `${door} ${address}`);
});

testOnServers('a login is found with blanks around it, and in no other disguise', async (t, server) => {
  const name = `disguised-${server.store}`;
  const user = await makeUser(server.db, { username: name, email: `${name}@bücher.example` });
  const { client } = await signIn(server, { user });
  for (const username of [
    ` ${name}\t`,
    `\t${name.toUpperCase()} `,
    ` ${name}@xn--bcher-kva.example `,
    `${name}@BÜCHER.example`,
  ])
    t.is((await login(server, { username }, client)).status, 200, JSON.stringify(username));
  for (const one of unseen)
    for (const username of [`${name}${one}`, `${one}${name}`, `${name}@bücher.example${one}`])
      assertRefused(t, await login(server, { username }, client), { status: 400, error: 'invalid_grant' });
});
