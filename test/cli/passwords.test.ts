// The commands that help a user back in, against a running server.
import { makeClient, makeUser } from '../helpers/builders.ts';
import { granted, send } from '../helpers/client.ts';
import { assertRefusedCommand, kindred, kindredJson, runCommand } from '../helpers/commands.ts';
import { isActive, login, signIn } from '../helpers/oauth.ts';
import { environment, testOnOwnServers, testOnServers } from '../helpers/server.ts';

const fresh = 'a phrase that nobody else uses 18';

testOnServers('set-password sets a password and ends all sessions', async (t, server) => {
  const { user, client, tokens } = await signIn(server);
  const args = ['set-password', user.username, '--password-stdin', '--reason', 'forgot it'];
  const done = await kindredJson(server, args, `${fresh}\n`);
  t.deepEqual(done, { user_id: user.id, sessions_ended: 1 });
  t.is(await isActive(server, tokens.access_token), false);
  granted(await login(server, user, client, { password: fresh }));
  const event = await server
    .db('audit_events')
    .where({ user_id: user.id, type: 'password_set_by_admin' })
    .first();
  t.like(event, { actor: 'admin', actor_id: null, reason: 'forgot it' });
  const weak = await kindred(server, ['set-password', user.username, '--password-stdin'], 'short');
  assertRefusedCommand(t, weak, /at least 8 characters/);
});

testOnServers(
  'recovery-link prints a link that works without mail, and not for a banned user',
  async (t, server) => {
    const user = await makeUser(server.db, { password_hash: null });
    const { url, user_id } = await kindredJson(server, ['recovery-link', user.username]);
    t.is(user_id, user.id);
    const token = String(url).split('/').at(-1);
    const json = { token, new_password: fresh };
    t.is((await send(`${server.url}/api/recovery/complete`, { method: 'POST', json })).status, 204);
    granted(await login(server, user, await makeClient(server.db), { password: fresh }));
    await server.db('users').where({ id: user.id }).update({ status: 'banned' });
    assertRefusedCommand(t, await kindred(server, ['recovery-link', user.id]), /banned or disabled/);
  },
);

const counted = (store: string) => ({
  RATE_LIMITS: store === 'postgres' ? 'database' : 'memory',
  LOCKOUT: '3/600/900',
});

testOnOwnServers(
  'unlock lets a locked-out user try again at once, or says where the counters are',
  counted,
  async (t, server) => {
    const user = await makeUser(server.db);
    const client = await makeClient(server.db);
    for (let i = 0; i < 3; i += 1) await login(server, user, client, { password: 'wrong wrong' });
    t.is((await login(server, user, client)).status, 429);
    const env = { ...environment(server.databaseUrl), ...counted(server.store) };
    const outcome = await runCommand(['unlock', user.username], { env });
    const event = await server.db('audit_events').where({ user_id: user.id, type: 'user_unlocked' }).first();
    if (server.store === 'postgres') {
      t.like(outcome, { code: 0, stderr: '' });
      t.like(event, { actor: 'admin' });
      granted(await login(server, user, client));
    } else {
      assertRefusedCommand(t, outcome, /RATE_LIMITS=memory/);
      t.is(event, undefined);
    }
  },
);
