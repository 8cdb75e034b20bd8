// The address on the account page, and its link in browsers where this user, another one or nobody is signed in.

import {
  addressOf,
  askFor,
  confirmLink,
  linkTo,
  mailTo,
  newAddress,
  signInProved,
} from '../helpers/address_change.ts';
import { makeUser, password } from '../helpers/builders.ts';
import { testOnOwnMailServers, testWithMail } from '../helpers/mail_server.ts';
import type { TestServer } from '../helpers/server.ts';
import { openUserAgent, type Page, textOf, type UserAgent } from '../helpers/user_agent.ts';

async function openAccount(server: TestServer, username: string): Promise<{ ua: UserAgent; page: Page }> {
  const ua = openUserAgent(server.url);
  const login = await ua.open(`${server.url}/account`);
  return { ua, page: await ua.submit(login, '/account/login', { username, password }) };
}

testWithMail(
  'the account page changes the address by the code, and offers an unproved one for its proof',
  async (t, server, mail) => {
    const [own, next] = [newAddress('page-own'), newAddress('page-next')];
    const user = await makeUser(server.db, { email: own });
    const { ua, page } = await openAccount(server, user.username);
    t.true(page.text.includes(`value="${own}"`), 'the unproved address is filled in');
    const fields = { email: own, current_password: password };
    const asked = await ua.submit(page, '/account/email', fields);
    t.regex(textOf(asked), /We have sent a mail/);
    t.true(asked.text.includes(own));
    const wrong = await ua.submit(asked, '/account/email/verify', { code: 'x' });
    t.is(wrong.status, 400);
    const { code } = await mailTo(mail, own);
    t.regex(
      textOf(await ua.submit(wrong, '/account/email/verify', { code: code ?? '' })),
      /Address confirmed/,
    );
    t.deepEqual(await addressOf(server, user), { email: own, isProved: true, password_use: null });

    const again = await ua.open(`${server.url}/account`);
    for (const [typed, said] of [
      [{ email: 'no address', current_password: password }, /not an e-mail address/],
      [{ email: next, current_password: 'wrong' }, /Wrong current password/],
    ] as const)
      t.regex(textOf(await ua.submit(again, '/account/email', typed)), said);
    await ua.submit(again, '/account/email', { email: next, current_password: password });
    const link = await linkTo(mail, next, '/verify-email/');
    for (const nothing of [{ address: '' }, { address: own }])
      t.is((await confirmLink(server, link, nothing, ua)).status, 400);
    t.is((await addressOf(server, user)).email, own);
    t.regex(textOf(await confirmLink(server, link, { address: next }, ua)), /Your address is confirmed/);
    t.is((await addressOf(server, user)).email, next);
  },
);

testWithMail(
  'in the browser of another user the link works for its own user, and that session stays',
  async (t, server, mail) => {
    const next = newAddress('elsewhere');
    const who = await signInProved(server, newAddress('away'));
    const other = await makeUser(server.db);
    await askFor(server, who, next);
    const link = await linkTo(mail, next, '/verify-email/');
    const { ua } = await openAccount(server, other.username);
    const before = [...ua.cookies.values()].filter(({ name }) => name.includes('session'));
    const page = await ua.open(link);
    t.regex(textOf(page), new RegExp(`to have the address ${next}.*another one, and stays signed in`));
    t.is((await confirmLink(server, link, { address: next }, ua)).status, 400);
    const done = await confirmLink(server, link, { username: who.user.username, password }, ua);
    t.is(done.status, 200);
    t.is((await addressOf(server, who.user)).email, next);
    t.deepEqual(
      [...ua.cookies.values()].filter(({ name }) => name.includes('session')),
      before,
    );
    t.regex(textOf(await ua.open(`${server.url}/account`)), new RegExp(`Signed in as ${other.username}`));
  },
);

testWithMail(
  'a form of another site or without its token changes nothing where the user is signed in',
  async (t, server, mail) => {
    const next = newAddress('forged');
    const who = await signInProved(server, newAddress('lured'));
    await askFor(server, who, next);
    const link = await linkTo(mail, next, '/verify-email/');
    const { ua } = await openAccount(server, who.user.username);
    const body = new URLSearchParams({ address: next });
    for (const headers of [{ 'sec-fetch-site': 'cross-site' }, { origin: 'null' }, {}] as Record<
      string,
      string
    >[])
      t.is((await ua.send(link, { method: 'POST', body, headers })).status, 403);
    t.not((await addressOf(server, who.user)).email, next);
  },
);

testWithMail(
  'an expired link sends a new mail without cookies, to its own address alone',
  async (t, server, mail) => {
    const next = newAddress('late');
    const who = await signInProved(server, newAddress('holiday'));
    await askFor(server, who, next);
    const link = await linkTo(mail, next, '/verify-email/');
    const expired = { expires_at: new Date(Date.now() - 60_000) };
    await server.db('one_time_codes').where({ user_id: who.user.id }).update(expired);
    const page = await openUserAgent(server.url).open(link);
    t.is(page.status, 410);
    for (const address of ['', newAddress('stranger'), next]) {
      const answer = await openUserAgent(server.url).submit(page, '/again', { address });
      t.deepEqual([answer.status, /Check your mail/.test(answer.text)], [202, true]);
    }
    const fresh = (await mail.to(next, 2)).flatMap(({ links }) => links).find((one) => one !== link) ?? '';
    t.is((await confirmLink(server, fresh, { username: who.user.username, password })).status, 200);
    t.is((await addressOf(server, who.user)).email, next);
  },
);

testWithMail('links begin with the issuer, whatever the request says', async (t, server, mail) => {
  const next = newAddress('forged-host');
  const who = await signInProved(server, newAddress('host'));
  const headers = {
    'x-forwarded-host': 'evil.example',
    origin: 'https://evil.example',
    'x-forwarded-proto': 'https',
  };
  const response = await fetch(`${server.url}/api/me/email`, {
    method: 'POST',
    headers: {
      ...headers,
      'content-type': 'application/json',
      authorization: `Bearer ${who.tokens.access_token}`,
    },
    body: JSON.stringify({ email: next, current_password: password }),
  });
  t.is(response.status, 202);
  const { links, raw } = await mailTo(mail, next);
  t.true(links[0]?.startsWith(`${server.issuer}/verify-email/`));
  t.false(raw.includes('evil.example'));
});

testOnOwnMailServers(
  'SIGN_UP_DOMAINS binds a change of the address, and the limit of a mailbox stops the mail alone',
  { settings: { SIGN_UP_DOMAINS: 'x.example', RATE_LIMITS: 'memory', RATE_LIMIT_MAIL: '2/3600' } },
  async (t, server, mail) => {
    const who = await signInProved(server, newAddress('bound'));
    const refused = await askFor(server, who, 'ada@elsewhere.example');
    t.deepEqual([refused.status, refused.body.error], [400, 'email_domain_not_allowed']);
    const next = newAddress('full');
    for (let times = 0; times < 4; times += 1) t.is((await askFor(server, who, next)).status, 202);
    t.is((await server.db('one_time_codes').where({ user_id: who.user.id })).length, 2, 'no further code');
    t.is((await mail.to(next, 2)).length, 2);
  },
);
