// A user changes the address: the code or link of the mail counts only together with a session or login of that user.

import {
  addressOf,
  askFor,
  confirmLink,
  enterCode,
  linkOf,
  mailTo,
  newAddress,
  signInProved,
} from '../helpers/address_change.ts';
import { makeUser, password } from '../helpers/builders.ts';
import { assertRefused } from '../helpers/client.ts';
import { testWithMail } from '../helpers/mail_server.ts';
import { api, login, signIn } from '../helpers/oauth.ts';
import { openUserAgent, textOf } from '../helpers/user_agent.ts';

testWithMail(
  'a new address waits until the code of its mail is entered by a session of the user',
  async (t, server, mail) => {
    const [old, next] = [newAddress('old'), newAddress('next')];
    const who = await signInProved(server, old);
    const asked = await askFor(server, who, next);
    t.deepEqual([asked.status, asked.body], [202, { pending_email: next }]);
    t.deepEqual(await addressOf(server, who.user), { email: old, isProved: true, password_use: null });
    const got = await mailTo(mail, next);
    t.false(got.text.includes(who.user.username), 'the mailbox may be a stranger’s');
    t.is((await login(server, { username: next }, who.client)).status, 400, 'it logs nobody in');
    t.is((await enterCode(server, who, got.code)).status, 204);
    t.deepEqual(await addressOf(server, who.user), { email: next, isProved: true, password_use: null });
    t.is((await login(server, { username: next }, who.client)).status, 200);
    t.is((await api(server, 'GET /me', who.tokens.access_token)).status, 200, 'the session goes on');
    const told = await mailTo(mail, old);
    t.regex(told.subject, /was changed/);
    t.regex(linkOf(told), /\/undo-email\/[\w-]{43}$/);
    assertRefused(t, await enterCode(server, who, got.code), { status: 400, error: 'invalid_code' });
  },
);

testWithMail(
  'the code is worth nothing to another user, and a wrong one changes nothing',
  async (t, server, mail) => {
    const next = newAddress('typo');
    const who = await signInProved(server, newAddress('owner'));
    const stranger = await signInProved(server, newAddress('stranger'));
    await askFor(server, who, next);
    const { code } = await mailTo(mail, next);
    for (const [by, given] of [
      [stranger, code],
      [who, ''],
      [who, '000 000x'],
      [who, String((Number(code) + 1) % 1_000_000).padStart(6, '0')],
    ] as const)
      assertRefused(t, await enterCode(server, by, given), { status: 400, error: 'invalid_code' });
    t.is((await enterCode(server, who, `${code?.slice(0, 3)} ${code?.slice(3)}`)).status, 204);
  },
);

testWithMail(
  'of three mails the first code works, and the others are dead afterwards',
  async (t, server, mail) => {
    const next = newAddress('slow');
    const who = await signInProved(server, newAddress('waits'));
    await askFor(server, who, next);
    const first = await mailTo(mail, next);
    await askFor(server, who, next);
    const second = (await mail.to(next, 2)).find(({ links }) => links[0] !== first.links[0]);
    await askFor(server, who, next);
    t.is((await enterCode(server, who, first.code)).status, 204);
    assertRefused(t, await enterCode(server, who, second?.code ?? ''), {
      status: 400,
      error: 'invalid_code',
    });
  },
);

testWithMail('a request for another address drops the one that waited', async (t, server, mail) => {
  const [typo, right] = [newAddress('tpyo'), newAddress('right')];
  const who = await signInProved(server, newAddress('corrects'));
  await askFor(server, who, typo);
  const wrong = await mailTo(mail, typo);
  await askFor(server, who, right);
  assertRefused(t, await enterCode(server, who, wrong.code), { status: 400, error: 'invalid_code' });
  t.is((await openUserAgent(server.url).open(linkOf(wrong))).status, 410);
  t.is((await enterCode(server, who, (await mailTo(mail, right)).code)).status, 204);
});

testWithMail('a code that was asked for before the password changed is void', async (t, server, mail) => {
  const next = newAddress('void');
  const who = await signInProved(server, newAddress('changes'));
  await askFor(server, who, next);
  const { code } = await mailTo(mail, next);
  await server.db('users').where({ id: who.user.id }).increment({ code_version: 1 });
  assertRefused(t, await enterCode(server, who, code), { status: 400, error: 'invalid_code' });
});

testWithMail(
  'an address that nobody has proved is proved by its own user at the same endpoint',
  async (t, server, mail) => {
    const own = newAddress('unproved');
    const user = await makeUser(server.db, { email: own });
    const who = await signIn(server, { user });
    await askFor(server, who, own);
    t.is((await enterCode(server, who, (await mailTo(mail, own)).code)).status, 204);
    t.deepEqual(await addressOf(server, user), { email: own, isProved: true, password_use: null });
    t.is((await mail.to(own, 1)).length, 1, 'there is nothing to undo');
  },
);

testWithMail(
  'whoever proves an address that another user has without proof gets it',
  async (t, server, mail) => {
    const wanted = newAddress('wanted');
    const holder = await makeUser(server.db, { email: wanted });
    const held = await signIn(server, { user: holder });
    const who = await signInProved(server, newAddress('proves'));
    await askFor(server, who, wanted);
    const got = await mailTo(mail, wanted);
    t.regex(got.text, /sign in with its old password first/);
    t.is((await enterCode(server, who, got.code)).status, 204);
    t.deepEqual(await addressOf(server, who.user), { email: wanted, isProved: true, password_use: null });
    t.is((await addressOf(server, holder)).email, null);
    t.is((await api(server, 'GET /me', held.tokens.access_token)).status, 200);
    t.is((await login(server, holder, held.client)).status, 200, 'the username goes on to work');
  },
);

testWithMail(
  'a pending address reserves nothing: its owner signs up or proves it meanwhile',
  async (t, server, mail) => {
    const victim = newAddress('victim');
    const thief = await signInProved(server, newAddress('thief'));
    await askFor(server, thief, victim);
    const { code } = await mailTo(mail, victim);
    const owner = await signIn(server);
    await askFor(server, owner, victim);
    const own = (await mail.to(victim, 2)).find((one) => one.code !== code);
    t.is((await enterCode(server, owner, own?.code ?? null)).status, 204);
    const refused = await enterCode(server, thief, code);
    assertRefused(t, refused, { status: 409, error: 'email_taken' });
    t.is((await addressOf(server, owner.user)).email, victim);
  },
);

testWithMail(
  'the link asks for the login where the user is not signed in, and opens no session',
  async (t, server, mail) => {
    const next = newAddress('link');
    const who = await signInProved(server, newAddress('reads'));
    const stranger = await makeUser(server.db);
    await askFor(server, who, next);
    const link = linkOf(await mailTo(mail, next));
    const ua = openUserAgent(server.url);
    const page = await ua.open(link);
    t.deepEqual(
      [page.headers.get('referrer-policy'), page.headers.get('cache-control')],
      ['no-referrer', 'no-store'],
    );
    t.false(page.text.includes(who.user.username));
    for (const [fields, status] of [
      [{}, 400],
      [{ address: next }, 400],
      [{ username: who.user.username, password: 'wrong' }, 403],
      [{ username: stranger.username, password }, 403],
    ] as const)
      t.is((await confirmLink(server, link, fields, ua)).status, status);
    t.is((await addressOf(server, who.user)).isProved, true);
    t.not((await addressOf(server, who.user)).email, next);
    const done = await confirmLink(server, link, { username: who.user.username, password }, ua);
    t.regex(textOf(done), /Your address is confirmed/);
    t.is((await addressOf(server, who.user)).email, next);
    t.regex(textOf(await ua.open(`${server.url}/account`)), /^Sign in/);
    const again = await ua.open(link);
    t.is(again.status, 410);
    t.regex(textOf(again), /used already/);
  },
);
