// The user's data at the account page: the download, and the deletion of the account.
import { makeClient, makeUser, password } from '../../helpers/builders.ts';
import { login } from '../../helpers/oauth.ts';
import { rowOf } from '../../helpers/rows.ts';
import { type TestServer, testOnOwnServers, testOnServers } from '../../helpers/server.ts';
import { openUserAgent, type Page, textOf, type UserAgent } from '../../helpers/user_agent.ts';

async function enter(
  server: TestServer,
  roles: string[] = [],
): Promise<{ ua: UserAgent; page: Page; id: string; username: string }> {
  const { id, username } = await makeUser(server.db, { roles });
  const ua = openUserAgent(server.url);
  const page = await ua.submit(await ua.open(`${server.url}/account`), '/account/login', {
    username,
    password,
  });
  return { ua, page, id, username };
}

async function statusOf({ db }: TestServer, id: string): Promise<string> {
  return (await rowOf(db('users').where({ id }).first())).status;
}

testOnServers('the account page deletes the account and signs the browser out', async (t, server) => {
  const { ua, page, id, username } = await enter(server);
  const client = await makeClient(server.db);
  await login(server, { username }, client);
  const gone = await ua.submit(page, '/account/delete', { current_password: password });
  t.is(gone.status, 200);
  t.regex(textOf(gone), /^Your account was deleted You are signed out on every device/);
  t.is(await statusOf(server, id), 'deleted');
  t.deepEqual(await server.db('oidc_models').where({ user_id: id }), []);
  t.true((await ua.open(`${server.url}/account`)).forms.some((one) => one.action.endsWith('/account/login')));
  t.is((await login(server, { username }, client)).status, 400);
});

testOnServers(
  'a form without the password, with a wrong one or from elsewhere deletes nobody',
  async (t, server) => {
    const { ua, page, id } = await enter(server);
    for (const current_password of ['', 'wrong']) {
      const refused = await ua.submit(page, '/account/delete', { current_password });
      t.is(refused.status, 400);
      t.regex(textOf(refused), /Delete my account|Wrong current password/);
      t.regex(refused.text, /<details class="past grave" open>\s*<summary>Delete account/);
    }
    const forged = await ua.submit(page, '/account/delete', { current_password: password, csrf: 'forged' });
    t.regex(textOf(forged), /open for too long, so nothing was changed/);
    t.is((await ua.send(`${server.url}/account/delete`)).status, 405);
    t.is(await statusOf(server, id), 'active');
  },
);

testOnServers('who has no password types the name after a recent sign-in', async (t, server) => {
  const { ua, id, username } = await enter(server);
  await server.db('users').where({ id }).update({ password_hash: null });
  const page = await ua.open(`${server.url}/account`);
  for (const name of ['', 'somebody']) {
    const refused = await ua.submit(page, '/account/delete', { name });
    t.deepEqual([refused.status, await statusOf(server, id)], [400, 'active']);
    t.regex(textOf(refused), /That is not your name/);
  }
  t.regex(textOf(await ua.submit(page, '/account/delete', { name: username })), /^Your account was deleted/);
});

testOnOwnServers('the last administrator stays, and the page says why', {}, async (t, server) => {
  const { ua, page, id } = await enter(server, ['admin']);
  const refused = await ua.submit(page, '/account/delete', { current_password: password });
  t.is(refused.status, 400);
  t.regex(textOf(refused), /You are the only administrator/);
  t.is(await statusOf(server, id), 'active');
});

testOnOwnServers(
  'before the last attempt at the password the page warns',
  { RATE_LIMITS: 'memory', RATE_LIMIT_PASSWORD_CHANGE: '3/3600' },
  async (t, server) => {
    const { ua, page } = await enter(server);
    const said = [];
    for (let i = 0; i < 4; i += 1)
      said.push(textOf(await ua.submit(page, '/account/delete', { current_password: 'wrong' })));
    t.notRegex(said[0] ?? '', /one attempt left/);
    t.regex(said[1] ?? '', /You have one attempt left, then you have to wait/);
    t.regex(said[3] ?? '', /Too many attempts. Try again in/);
  },
);

testOnOwnServers(
  'the account page sends the data as a file, once in ten minutes',
  { RATE_LIMITS: 'memory' },
  async (t, server) => {
    const { ua, page, id } = await enter(server);
    const file = await ua.post(page, '/account/export');
    t.deepEqual(
      ['content-type', 'content-disposition', 'cache-control'].map((name) => file.headers.get(name)),
      ['application/x-ndjson', 'attachment; filename="account.jsonl"', 'no-store'],
    );
    t.regex(file.text, new RegExp(`^{"type":"profile","id":"${id}".*\n(.*\n)*{"type":"end"}\n$`));
    const refused = await ua.submit(page, '/account/export');
    t.is(refused.status, 400);
    t.regex(textOf(refused), /You downloaded your data just now. Try again in/);
    const forged = await ua.submit(page, '/account/export', { csrf: 'forged' });
    t.regex(textOf(forged), /open for too long, so nothing was changed/);
  },
);
