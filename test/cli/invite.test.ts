import { password } from '../helpers/builders.ts';
import { assertRefusedCommand, kindred, kindredJson } from '../helpers/commands.ts';
import { acceptLink, asInvited } from '../helpers/invitations.ts';
import { rowOf } from '../helpers/rows.ts';
import { testOnServers } from '../helpers/server.ts';
import { newAddress } from '../helpers/sign_up.ts';

testOnServers('the command invites with any right, and prints the link', async (t, server) => {
  const email = newAddress();
  const rights = ['--role', 'admin', '--permission', 'posts:write', '--tenant-id', 'acme'];
  const body = await kindredJson(server, ['invite', email, ...rights, '--expires-in', '3600']);
  const { id, url, created_at, expires_at, ...rest } = body;
  t.deepEqual(rest, {
    email,
    roles: ['admin'],
    permissions: ['posts:write'],
    tenant_id: 'acme',
    invited_by: null,
    user_exists: false,
  });
  t.is(Math.round((Date.parse(String(expires_at)) - Date.parse(String(created_at))) / 1_000), 3_600);
  // The command does not know the port that the test server has got.
  const invited = asInvited({ ...body, url: `${server.url}${new URL(String(url)).pathname}` });
  t.is((await acceptLink(server, invited, { password })).status, 200);
  t.deepEqual((await rowOf(server.db('users').where({ email }).first())).roles, ['admin']);
});

testOnServers('the command refuses what the API refuses', async (t, server) => {
  for (const args of [
    ['no address'],
    [newAddress(), '--expires-in', '1'],
    [newAddress(), '--expires-in', 'soon'],
    [newAddress(), '--role', 'two words'],
  ])
    assertRefusedCommand(t, await kindred(server, ['invite', ...args]), /address|xpires|role|number|small/i);
});
