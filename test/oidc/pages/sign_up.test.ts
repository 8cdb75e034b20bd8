import { makeUser, password } from '../../helpers/builders.ts';
import { sentTo, setUpScene, startRequest, typePassword } from '../../helpers/code_flow.ts';
import { enableMail, secretOf, waitingMails } from '../../helpers/outbox_mails.ts';
import { rowOf } from '../../helpers/rows.ts';
import { type TestServer, testOnOwnServers, testOnServers } from '../../helpers/server.ts';
import { anotherCode, askForAccount, logInAs, mailsTo, newAddress } from '../../helpers/sign_up.ts';
import { openUserAgent, type Page, textOf, type UserAgent } from '../../helpers/user_agent.ts';

/** Asks for an account at the pages; returns the page that asks for the code. */
async function ask(ua: UserAgent, url: string, fields: Record<string, string>): Promise<Page> {
  return await ua.submit(await ua.open(url), '/sign-up', { password, ...fields });
}

async function lastMail(server: TestServer, email: string) {
  const mail = (await mailsTo(server, email)).at(-1);
  if (!mail) throw new Error('no mail');
  return { ...mail, code: mail.code ?? '', token: secretOf(mail) };
}

testOnServers('a sign-up in the middle of a request leads back into it', async (t, server) => {
  const scene = await setUpScene(server);
  const { ua } = scene;
  const email = newAddress();
  const started = await startRequest(scene);
  const login = await ua.open(started.url.href);
  const link = /href="([^"]*\/sign-up\?request=[^"]*)"/.exec(login.text)?.[1] ?? '';
  const asked = await ask(ua, new URL(link, server.url).href, { email, username: `new-${server.store}` });
  t.true(asked.url.endsWith('/sign-up/code'));
  const { code } = await lastMail(server, email);
  const wrong = await ua.submit(asked, '/sign-up/code', { code: anotherCode(code) });
  t.deepEqual([wrong.status, /This code is wrong/.test(wrong.text)], [400, true]);
  const done = await ua.submit(wrong, '/sign-up/code', { code: `${code.slice(0, 3)} ${code.slice(3)}` });
  t.regex(textOf(done), /Your account is ready/);
  const next = /class="button primary" href="([^"]*)"/.exec(done.text)?.[1] ?? '';
  t.regex(next, /^\/interaction\/[\w-]+$/);
  const again = await ua.open(`${server.url}${next}`);
  const user = { ...scene.user, username: email };
  const consent = await typePassword(ua, again, user);
  t.is(sentTo(await ua.submit(consent, '/consent', { decision: 'allow' })).searchParams.has('code'), true);
});

testOnServers(
  'a sign-up opens no session, and a code works in the browser that asked alone',
  async (t, server) => {
    const email = newAddress();
    const ua = openUserAgent(server.url);
    await ask(ua, `${server.url}/sign-up`, { email });
    const { code } = await lastMail(server, email);
    const other = openUserAgent(server.url);
    const elsewhere = await ask(other, `${server.url}/sign-up`, { email: newAddress() });
    t.is((await other.submit(elsewhere, '/sign-up/code', { code })).status, 400);
    const page = await ua.open(`${server.url}/sign-up/code`);
    t.is((await ua.submit(page, '/sign-up/code', { code })).status, 200);
    t.regex(textOf(await ua.open(`${server.url}/account`)), /^Sign in/);
    t.is((await logInAs(server, email)).status, 200);
  },
);

testOnServers('a browser that asks three times may type any of the three codes, once', async (t, server) => {
  const email = newAddress();
  const ua = openUserAgent(server.url);
  for (let round = 0; round < 3; round += 1) await ask(ua, `${server.url}/sign-up`, { email });
  const codes = (await mailsTo(server, email)).map(({ code }) => code ?? '');
  const page = await ua.open(`${server.url}/sign-up/code`);
  t.is((await ua.submit(page, '/sign-up/code', { code: codes[0] ?? '' })).status, 200);
  const left = await server.db('one_time_codes').where({ address_key: email, used_at: null });
  t.deepEqual(left, []);
});

testOnServers('the link asks for a new password and drops what a stranger typed', async (t, server) => {
  const email = newAddress();
  const theirs = { email, username: `thief-${server.store}`, claims: { name: 'Mallory' } };
  const { mail } = await askForAccount(t, server, theirs);
  const url = `${server.url}${mail.path}`;
  const owner = openUserAgent(server.url);
  for (const method of ['GET', 'HEAD']) t.is((await owner.send(url, { method })).status, 200, method);
  const page = await owner.open(url);
  t.deepEqual(
    ['referrer-policy', 'cache-control'].map((name) => page.headers.get(name)),
    ['no-referrer', 'no-store'],
  );
  t.true(page.text.includes(email));
  t.false(/thief|Mallory/.test(page.text));
  const path = mail.path ?? '';
  const empty = await owner.submit(page, path, {});
  t.deepEqual([empty.status, await server.db('users').where({ email }).first()], [400, undefined]);
  t.is((await owner.submit(page, path, { password: 'the long password of the owner' })).status, 200);
  const user = await rowOf(server.db('users').where({ email }).first());
  t.deepEqual([user.username, user.claims], [null, null]);
  t.is((await logInAs(server, email)).status, 400, 'not with the password of the request');
  t.is((await logInAs(server, email, 'the long password of the owner')).status, 200);
  t.regex(textOf(await owner.open(`${server.url}/account`)), /^Sign in/);
});

testOnServers('of two clicks on one link, one makes the user', async (t, server) => {
  const email = newAddress();
  const { mail } = await askForAccount(t, server, { email });
  const both = [1, 2].map(async (one) => {
    const ua = openUserAgent(server.url);
    const page = await ua.open(`${server.url}${mail.path}`);
    return await ua.submit(page, mail.path ?? '', { password: `the long password number ${one}` });
  });
  const statuses = (await Promise.all(both)).map(({ status }) => status);
  t.deepEqual(statuses.toSorted(), [200, 410]);
  t.is((await server.db('users').where({ email })).length, 1);
});

testOnServers('a used or expired link says so, and sends a new one without cookies', async (t, server) => {
  const email = newAddress();
  const { mail } = await askForAccount(t, server, { email });
  await server
    .db('one_time_codes')
    .where({ address_key: email })
    .update({ expires_at: new Date(0) });
  const ua = openUserAgent(server.url);
  const dead = await ua.open(`${server.url}${mail.path}`);
  t.deepEqual([dead.status, /has expired/.test(dead.text), ua.cookies.size], [410, true, 0]);
  const wrong = await ua.submit(dead, '/sign-up/again', { email: 'nobody' });
  t.deepEqual([wrong.status, /Enter an e-mail address like/.test(wrong.text)], [400, true]);
  const sent = await ua.submit(wrong, '/sign-up/again', { email });
  t.is(sent.status, 202);
  const fresh = await lastMail(server, email);
  t.deepEqual([fresh.kind, fresh.code], ['sign_up', '']);
  const path = `/sign-up/${fresh.token}`;
  const page = await ua.open(`${server.url}${path}`);
  t.is((await ua.submit(page, path, { password })).status, 200);
  const used = await ua.open(`${server.url}${path}`);
  t.deepEqual([used.status, /used already/.test(used.text)], [410, true]);
  t.is((await ua.open(`${server.url}/sign-up/${'x'.repeat(43)}`)).status, 404);
});

testOnServers('an address with an account gets the same pages', async (t, server) => {
  const email = newAddress();
  await makeUser(server.db, { email, email_verified: true });
  const [known, unknown] = [openUserAgent(server.url), openUserAgent(server.url)];
  const pages = [
    await ask(known, `${server.url}/sign-up`, { email }),
    await ask(unknown, `${server.url}/sign-up`, { email: newAddress() }),
  ];
  const [one, other] = pages.map(({ url, status, text }) => [
    url,
    status,
    text.replaceAll(/value="[\w-]{43}"/g, ''),
  ]);
  t.deepEqual(one, other);
  const [again, same] = await Promise.all(
    [known, unknown].map(async (ua) => {
      const dead = await ua.open(`${server.url}/sign-up/${'x'.repeat(43)}`);
      return await ua.submit(dead, '/sign-up/again', { email: ua === known ? email : newAddress() });
    }),
  );
  t.deepEqual([again?.status, again?.text], [same?.status, same?.text]);
});

testOnServers(
  'what is wrong is said at its field, and a username that was taken is asked for again',
  async (t, server) => {
    const ua = openUserAgent(server.url);
    const email = newAddress();
    const username = `race-${server.store}`;
    for (const [fields, said] of [
      [{ email: 'nobody' }, 'email-problem'],
      [{ email, password: 'short' }, 'password-problem'],
      [{ email, username: 'a b' }, 'username-problem'],
    ] as const) {
      const page = await ask(ua, `${server.url}/sign-up`, fields);
      t.deepEqual([page.status, page.text.includes(`id="${said}"`)], [400, true], said);
    }
    const page = await ask(ua, `${server.url}/sign-up`, { email, username });
    await makeUser(server.db, { username });
    const { code } = await lastMail(server, email);
    const taken = await ua.submit(page, '/sign-up/code', { code });
    t.deepEqual([taken.status, taken.text.includes('id="username"')], [409, true]);
    t.is((await ua.submit(taken, '/sign-up/code', { code, username: `${username}-2` })).status, 200);
  },
);

testOnServers('forms without their token, and those of other sites, do nothing', async (t, server) => {
  const email = newAddress();
  const post = (path: string, headers: Record<string, string>, body: Record<string, string>) =>
    openUserAgent(server.url).send(`${server.url}${path}`, {
      method: 'POST',
      headers,
      body: new URLSearchParams(body),
    });
  t.is((await post('/sign-up', {}, { email, password })).status, 403);
  const foreign: Record<string, string>[] = [
    { 'sec-fetch-site': 'cross-site' },
    { origin: 'https://evil.example' },
  ];
  for (const headers of foreign)
    for (const path of ['/sign-up', '/sign-up/again', `/sign-up/${'x'.repeat(43)}`])
      t.is((await post(path, headers, { email, password })).status, 403, path);
  t.deepEqual(await mailsTo(server, email), []);
});

testOnServers('a forged host or return target goes nowhere', async (t, server) => {
  const email = newAddress();
  const ua = openUserAgent(server.url, { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' });
  for (const target of ['https://evil.example', '//evil.example', '../../evil', 'javascript:alert(1)']) {
    const page = await ua.open(`${server.url}/sign-up?request=${encodeURIComponent(target)}`);
    t.false(/evil|javascript/.test(page.text), target);
  }
  const asked = await ask(ua, `${server.url}/sign-up?request=${encodeURIComponent('//evil.example')}`, {
    email,
  });
  const { code } = await lastMail(server, email);
  const done = await ua.submit(asked, '/sign-up/code', { code });
  t.deepEqual([done.status, /evil/.test(asked.text + done.text)], [200, false]);
  t.true(done.text.includes('href="/account"'));
});

testOnOwnServers(
  'without SIGN_UP=open no page offers or takes a sign-up',
  { SIGN_UP: 'invite' },
  async (t, server) => {
    enableMail(server.db);
    const ua = openUserAgent(server.url);
    t.false((await ua.open(`${server.url}/account`)).text.includes('/sign-up'));
    for (const path of ['/sign-up', '/sign-up/code', `/sign-up/${'x'.repeat(43)}`])
      t.is((await ua.open(`${server.url}${path}`)).status, 404, path);
    t.deepEqual(await waitingMails(server.db), []);
  },
);
