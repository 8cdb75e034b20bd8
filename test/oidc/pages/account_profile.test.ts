// The profile form of the account page, which needs no script.
import { makeUser, password } from '../../helpers/builders.ts';
import { rowOf } from '../../helpers/rows.ts';
import { type TestServer, testOnOwnServers, testOnServers } from '../../helpers/server.ts';
import { openUserAgent, textOf } from '../../helpers/user_agent.ts';

async function enter(server: TestServer, given: Parameters<typeof makeUser>[1] = {}) {
  const user = await makeUser(server.db, given);
  const ua = openUserAgent(server.url);
  const page = await ua.submit(await ua.open(`${server.url}/account`), '/account/login', {
    username: user.username,
    password,
  });
  const read = async () => await rowOf(server.db('users').where({ id: user.id }).first());
  return { ua, page, user, read };
}

testOnServers(
  'the form shows the profile, saves what was changed, and removes what was emptied',
  async (t, server) => {
    const claims = { name: 'Ada', locale: 'en', app: { plan: 'team' } };
    const { ua, page, read } = await enter(server, { claims });
    t.regex(page.text, /name="name" type="text" value="Ada"/);
    const typed = {
      name: ' Ada Lovelace ',
      locale: '',
      zoneinfo: 'Europe/Zurich',
      picture: 'https://x.example/a.png',
    };
    const sent = await ua.submit(page, '/account/profile', typed);
    const after = sent.location ? await ua.open(sent.location) : sent;
    t.regex(textOf(after), /Profile saved/);
    t.deepEqual((await read()).claims, {
      name: 'Ada Lovelace',
      zoneinfo: 'Europe/Zurich',
      picture: 'https://x.example/a.png',
      app: { plan: 'team' },
    });
    const before = await read();
    await ua.submit(after, '/account/profile');
    t.deepEqual(await read(), before, 'a form in which nothing was typed changes nothing');
  },
);

testOnServers(
  'a value that is not allowed is shown again beside its reason, and nothing is saved',
  async (t, server) => {
    const { ua, page, read } = await enter(server);
    const other = await makeUser(server.db);
    const before = await read();
    for (const [typed, reason] of [
      [{ picture: 'javascript:alert(1)' }, /must be the URL of a picture/],
      [{ picture: 'https://x.example/"><script>' }, /must be the URL of a picture/],
      [{ locale: 'de_CH' }, /must be a language tag/],
      [{ zoneinfo: '+02:00' }, /must be the name of a time zone/],
      [{ name: 'A\u202eda' }, /must not contain control characters/],
      [{ name: 'x'.repeat(201) }, /at most 200 characters/],
      [{ username: other.username.toUpperCase() }, /This username is taken/],
      [{ username: 'with@sign.example' }, /must be 2 to 64 letters/],
      [{ username: 'a\u00adb' }, /must/],
    ] as const) {
      const refused = await ua.submit(page, '/account/profile', { given_name: 'Kept', ...typed });
      t.is(refused.status, 400, JSON.stringify(typed));
      t.regex(textOf(refused), reason);
      t.regex(refused.text, /value="Kept"/, 'what was typed is not lost');
      t.notRegex(refused.text, /<script>/);
    }
    t.deepEqual(await read(), before);
  },
);

testOnServers('a form from elsewhere, or of another member, changes nothing', async (t, server) => {
  const { ua, page, read } = await enter(server);
  const before = await read();
  const forged = await ua.submit(page, '/account/profile', { name: 'Eve', csrf: 'forged' });
  t.regex(
    textOf(forged.location ? await ua.open(forged.location) : forged),
    /open for too long, so nothing was changed/,
  );
  for (const member of ['app', 'email', 'email_verified', 'roles'])
    await ua.submit(page, '/account/profile', { [member]: 'admin' });
  t.deepEqual(await read(), before);
});

testOnOwnServers('usernames cannot be tried without limit', { RATE_LIMITS: 'memory' }, async (t, server) => {
  const { ua, page } = await enter(server);
  const other = await makeUser(server.db);
  const statuses: string[] = [];
  for (let tries = 0; tries < 11; tries += 1)
    statuses.push(textOf(await ua.submit(page, '/account/profile', { username: other.username })));
  t.regex(statuses.at(-2) ?? '', /This username is taken/);
  t.regex(statuses.at(-1) ?? '', /Too many attempts/);
});
