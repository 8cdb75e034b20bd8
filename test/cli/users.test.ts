import { json } from '../../src/core/store/columns.ts';
import { makeClient, makeUser } from '../helpers/builders.ts';
import { assertRefused } from '../helpers/client.ts';
import { assertRefusedCommand, kindred, kindredJson } from '../helpers/commands.ts';
import { api, isActive, login, readJwt, refresh, signIn, tokensOf } from '../helpers/oauth.ts';
import { rowsOf } from '../helpers/rows.ts';
import { testOnServers } from '../helpers/server.ts';
import { dumpText } from '../helpers/tables.ts';

const password = 'a phrase that nobody else uses 17';

testOnServers(
  'a user made by create-user logs in at a running server, with the given attributes',
  async (t, server) => {
    const args = [
      '--username',
      'ada',
      '--email',
      'Ada@example.test',
      '--tenant-id',
      'acme',
      '--password-stdin',
    ];
    const rights = ['--role', 'customer', '--role', 'editor', '--permission', 'orders:read'];
    const { id, created_at, ...user } = await kindredJson(
      server,
      ['create-user', ...args, ...rights],
      `${password}\n`,
    );
    t.deepEqual(user, {
      username: 'ada',
      email: 'Ada@example.test',
      email_verified: true,
      status: 'active',
      roles: ['customer', 'editor'],
      permissions: ['orders:read'],
      tenant_id: 'acme',
    });
    t.true(Math.abs(Date.parse(String(created_at)) - Date.now()) < 600_000);
    const client = await makeClient(server.db);
    for (const username of ['ada', 'ada@EXAMPLE.test']) {
      const { claims } = readJwt(
        tokensOf(await login(server, { username }, client, { password })).access_token,
      );
      const { sub, roles, permissions, tid } = claims;
      t.deepEqual(
        { sub, roles, permissions, tid },
        { sub: id, roles: ['customer', 'editor'], permissions: ['orders:read'], tid: 'acme' },
      );
    }
    t.is((await login(server, { username: 'ada' }, client, { password: `${password}\n` })).status, 400);
  },
);

testOnServers(
  'a password is neither printed nor stored nor recorded in the audit trail',
  async (t, server) => {
    const args = ['create-user', '--username', 'quiet', '--password-stdin'];
    const { code, stdout, stderr } = await kindred(server, args, password);
    t.is(code, 0);
    t.regex(stdout, /^created user quiet, id [0-9a-f-]{36}\n$/);
    t.is(stderr, '');
    t.false((await dumpText(server.db)).includes(password));
  },
);

testOnServers('a name that is taken is refused, in any spelling', async (t, server) => {
  await kindredJson(
    server,
    ['create-user', '--username', 'taken', '--email', 'taken@example.test', '--password-stdin'],
    password,
  );
  const name = await kindred(server, ['create-user', '--username', 'TAKEN', '--password-stdin'], password);
  assertRefusedCommand(t, name, /this username is taken/);
  const address = ['--username', 'other', '--email', 'Taken@Example.test', '--password-stdin'];
  assertRefusedCommand(
    t,
    await kindred(server, ['create-user', ...address], password),
    /this e-mail address is taken/,
  );
});

testOnServers(
  'sessions lists the live sessions of a user named by username, e-mail address or id',
  async (t, server) => {
    const user = await makeUser(server.db, { email: 'lister@example.test' });
    const client = await makeClient(server.db, { client_name: 'An app' });
    const device = { device_id: 'd1', device_name: 'Kitchen', platform: 'ios', app_version: '1.2' };
    const { tokens } = await signIn(server, { user, client, form: device });
    const ended = await signIn(server, { user, client });
    await api(server, 'POST /logout', ended.tokens.access_token, { json: {} });
    await refresh(server, client, tokens.refresh_token);

    type Listed = { user: { id: string }; sessions: Record<string, unknown>[] };
    for (const name of [user.username, 'LISTER@example.test', user.id, user.id.toUpperCase()]) {
      const listed = await kindredJson<Listed>(server, ['sessions', name]);
      t.is(listed.user.id, user.id);
      t.is(listed.sessions.length, 1);
      const { created_at, last_used_at, expires_at, device: on, ...session } = listed.sessions[0] ?? {};
      t.deepEqual(session, {
        id: tokens.session_id,
        client: { client_id: client.client_id, client_name: 'An app' },
        ip: '127.0.0.1',
        user_agent: null,
        last_ip: '127.0.0.1',
        last_user_agent: null,
        generation: 1,
      });
      const { id: _id, ...known } = on as Record<string, unknown>;
      t.deepEqual(known, { device_id: 'd1', name: 'Kitchen', platform: 'ios', app_version: '1.2' });
      t.true(String(created_at) <= String(last_used_at) && String(last_used_at) < String(expires_at));
    }
    const { stdout } = await kindred(server, ['sessions', user.username]);
    const [headings, row, ...more] = stdout.trimEnd().split('\n');
    t.regex(
      String(headings),
      /^SESSION +DEVICE +CLIENT +ADDRESS +LOGGED IN \(UTC\) +LAST USED \(UTC\) +ROTATIONS$/,
    );
    t.regex(
      String(row),
      new RegExp(`^${tokens.session_id} +Kitchen, ios +${client.client_id} +127\\.0\\.0\\.1 .* 1$`),
    );
    t.deepEqual(more, []);
  },
);

testOnServers('all sessions are listed when they fill more than one page', async (t, server) => {
  const user = await makeUser(server.db);
  const client = await makeClient(server.db);
  const { tokens } = await signIn(server, { user, client });
  const [row] = await server.db('sessions').where({ id: tokens.session_id });
  const copies = Array.from({ length: 205 }, (_, index) => ({
    ...row,
    id: `00000000-0000-7000-8000-${String(index).padStart(12, '0')}`,
    grant_payload: json({}),
    token_payload: json({}),
  }));
  await server.db('sessions').insert(copies);
  const { sessions } = await kindredJson<{ sessions: { id: string }[] }>(server, ['sessions', user.id]);
  t.is(new Set(sessions.map((one) => one.id)).size, 206);
});

testOnServers('a user agent cannot send control sequences to the terminal', async (t, server) => {
  const { user, tokens } = await signIn(server, { form: { device_id: 'd\u202e2' } });
  await server.db('sessions').where({ id: tokens.session_id }).update({ ip: 'a\u001b]0;x\u0007' });
  const { stdout } = await kindred(server, ['sessions', user.id]);
  t.notRegex(stdout.replaceAll('\n', ''), /\p{C}/u);
});

testOnServers('logout ends all sessions of a user while the server runs', async (t, server) => {
  const user = await makeUser(server.db);
  const client = await makeClient(server.db);
  const form = { device_id: 'phone', push_token: 'push-me' };
  const first = await signIn(server, { user, client, form });
  const second = await signIn(server, { user, client });
  const stranger = await signIn(server, { client });

  const { code, stdout } = await kindred(server, ['logout', user.username]);
  t.deepEqual({ code, stdout }, { code: 0, stdout: `ended 2 sessions of ${user.username}\n` });
  for (const { tokens } of [first, second]) {
    const answer = await refresh(server, client, tokens.refresh_token);
    assertRefused(t, answer, { status: 400, error: 'invalid_grant', reason: 'session_ended' });
    t.false(await isActive(server, tokens.access_token));
  }
  t.true(await isActive(server, stranger.tokens.access_token));
  const rows = await server.db('sessions').where({ user_id: user.id });
  t.deepEqual(
    rows.map(({ ended_reason, ended_by }) => ({ ended_reason, ended_by })),
    Array(2).fill({ ended_reason: 'ended_by_admin', ended_by: 'admin' }),
  );
  const [device] = await rowsOf(server.db('devices').where({ user_id: user.id }));
  t.is(device.push_token, null);
  t.deepEqual(await kindredJson(server, ['logout', user.id]), { user_id: user.id, sessions_ended: 0 });
});
