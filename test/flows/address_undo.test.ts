// The link that undoes a change of the address, and "this was not me".

import {
  addressOf,
  askFor,
  changeAddress,
  confirmLink,
  enterCode,
  linkTo,
  mailTo,
  newAddress,
  signInProved,
} from '../helpers/address_change.ts';
import { enterAsAdmin } from '../helpers/admin.ts';
import { makeUser, password } from '../helpers/builders.ts';
import { assertRefused } from '../helpers/client.ts';
import { testWithMail } from '../helpers/mail_server.ts';
import { api, login, refresh } from '../helpers/oauth.ts';
import { openUserAgent, textOf } from '../helpers/user_agent.ts';

testWithMail(
  'the link to the first address restores it after further changes, and shuts the thief out',
  async (t, server, mail) => {
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(newAddress) as [string, string, string, string];
    const thief = await signInProved(server, a);
    await changeAddress(server, mail, thief, b);
    const undo = await linkTo(mail, a, '/undo-email/');
    await changeAddress(server, mail, thief, c);
    const undoOfB = await linkTo(mail, b, '/undo-email/');
    t.truthy(await linkTo(mail, a, '/not-me/'), 'the first address learns of it');
    await askFor(server, thief, d);
    const pending = await linkTo(mail, d, '/verify-email/');

    const done = await confirmLink(server, undo, { address: a.toUpperCase() });
    t.is(done.status, 200);
    t.regex(textOf(done), /account is secured/);
    t.deepEqual(await addressOf(server, thief.user), { email: a, isProved: true, password_use: 'recover' });
    const ended = await refresh(server, thief.client, thief.tokens.refresh_token);
    assertRefused(t, ended, {
      status: 400,
      error: 'invalid_grant',
      reason: 'session_ended',
      ended_reason: 'address_undone',
    });
    t.is((await api(server, 'GET /me', thief.tokens.access_token)).status, 401);
    assertRefused(t, await login(server, thief.user, thief.client), {
      status: 400,
      error: 'invalid_grant',
      reason: 'recovery_required',
    });
    t.is((await openUserAgent(server.url).open(pending)).status, 410, 'codes of the thief are void');
    t.is((await openUserAgent(server.url).open(undoOfB)).status, 410, 'links to later addresses are void');
    t.regex(await linkTo(mail, a, '/recover/'), /\/recover\/[\w-]{43}$/);
    t.is(await confirmOnce(server.url, undo), 410);
  },
);

async function confirmOnce(base: string, link: string): Promise<number> {
  return (await openUserAgent(base).open(link)).status;
}

testWithMail('the link of a later address takes no link of an earlier one away', async (t, server, mail) => {
  const [a, b, c] = ['first', 'second', 'third'].map(newAddress) as [string, string, string];
  const thief = await signInProved(server, a);
  await changeAddress(server, mail, thief, b);
  const undo = await linkTo(mail, a, '/undo-email/');
  await changeAddress(server, mail, thief, c);
  await confirmLink(server, await linkTo(mail, b, '/undo-email/'), { address: b });
  t.is((await addressOf(server, thief.user)).email, b);
  await confirmLink(server, undo, { address: a });
  t.is((await addressOf(server, thief.user)).email, a);
});

testWithMail('a scanner that opens, follows and submits changes nothing', async (t, server, mail) => {
  const [a, b] = ['scanned', 'scanned-too'].map(newAddress) as [string, string];
  const who = await signInProved(server, a);
  await changeAddress(server, mail, who, b);
  const link = await linkTo(mail, a, '/undo-email/');
  const ua = openUserAgent(server.url);
  t.is((await fetch(link, { method: 'HEAD' })).status, 200);
  const page = await ua.open(link);
  t.false(page.text.includes(a), 'the address is not on the page');
  t.deepEqual(
    [page.headers.get('referrer-policy'), page.headers.get('cache-control')],
    ['no-referrer', 'no-store'],
  );
  for (const [, href = ''] of page.text.matchAll(/<a [^>]*href="([^"]+)"/g))
    await ua.open(new URL(href, link).href);
  for (const fields of [{}, { address: '' }, { address: b }, { address: 'x' }]) {
    const answer = await confirmLink(server, link, fields as Record<string, string>, ua);
    t.is(answer.status, 400);
  }
  t.deepEqual(await addressOf(server, who.user), { email: b, isProved: true, password_use: null });
  t.is((await api(server, 'GET /me', who.tokens.access_token)).status, 200);
  t.is((await confirmLink(server, link, { address: ` ${a} ` }, ua)).status, 200, 'it goes on to work');
});

testWithMail('of two clicks at once one undoes, and there is one recovery mail', async (t, server, mail) => {
  const [a, b] = ['twice', 'twice-too'].map(newAddress) as [string, string];
  const who = await signInProved(server, a);
  await changeAddress(server, mail, who, b);
  const link = await linkTo(mail, a, '/undo-email/');
  const answers = await Promise.all([1, 2, 3].map(() => confirmLink(server, link, { address: a })));
  t.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 410, 410]);
  const events = await server.db('audit_events').where({ user_id: who.user.id, type: 'email_change_undone' });
  t.is(events.length, 1);
});

testWithMail(
  'a former address cannot be taken by others while it can be restored',
  async (t, server, mail) => {
    const [a, b] = ['reserved', 'moved'].map(newAddress) as [string, string];
    const who = await signInProved(server, a);
    await changeAddress(server, mail, who, b);
    const other = await signInProved(server, newAddress('other'));
    const asked = await askFor(server, other, a);
    t.deepEqual([asked.status, asked.body], [202, { pending_email: a }]);
    const told = await mailTo(mail, a, 'already belongs to an account');
    t.deepEqual([told.code, told.links], [null, []]);
    await confirmLink(server, await linkTo(mail, a, '/undo-email/'), { address: a });
    t.is((await addressOf(server, who.user)).email, a);
  },
);

testWithMail('"this was not me" ends all sessions and starts a recovery, once', async (t, server, mail) => {
  const email = newAddress('notme');
  const who = await signInProved(server, email);
  const json = { current_password: password, new_password: 'a password of the thief' };
  t.is((await api(server, 'POST /me/password', who.tokens.access_token, { json })).status, 200);
  const link = await linkTo(mail, email, '/not-me/');
  t.is((await confirmLink(server, link, {})).status, 400);
  const done = await confirmLink(server, link, { address: email });
  t.is(done.status, 200);
  t.deepEqual(await addressOf(server, who.user), { email, isProved: true, password_use: 'recover' });
  const ended = await refresh(server, who.client, who.tokens.refresh_token);
  assertRefused(t, ended, {
    status: 400,
    error: 'invalid_grant',
    reason: 'session_ended',
    ended_reason: 'not_me',
  });
  assertRefused(t, await login(server, who.user, who.client, { password: json.new_password }), {
    status: 400,
    error: 'invalid_grant',
    reason: 'recovery_required',
  });
  t.truthy(await linkTo(mail, email, '/recover/'));
  t.is((await openUserAgent(server.url).open(link)).status, 410);
});

testWithMail(
  '"this was not me" from a former address restores it, so that the recovery goes there',
  async (t, server, mail) => {
    const [a, b] = ['robbed', 'robber'].map(newAddress) as [string, string];
    const thief = await signInProved(server, a);
    await changeAddress(server, mail, thief, b);
    const json = { current_password: password, new_password: 'a password of the thief' };
    t.is((await api(server, 'POST /me/password', thief.tokens.access_token, { json })).status, 200);
    const notice = await linkTo(mail, a, '/not-me/');
    await confirmLink(server, notice, { address: a });
    t.deepEqual(await addressOf(server, thief.user), { email: a, isProved: true, password_use: 'recover' });
    t.truthy(await linkTo(mail, a, '/recover/'));
    t.is((await mail.to(b)).filter(({ links }) => links[0]?.includes('/recover/')).length, 0);
  },
);

testWithMail('asking for an address answers and costs the same, whoever has it', async (t, server, mail) => {
  const taken = newAddress('taken');
  await makeUser(server.db, { email: taken, email_verified: true });
  const unproved = newAddress('held');
  await makeUser(server.db, { email: unproved });
  const asks: unknown[] = [];
  for (const email of [newAddress('free'), taken, unproved]) {
    const who = await signInProved(server, newAddress('asks'));
    const { status, body } = await askFor(server, who, email);
    asks.push({ status, body: { ...body, pending_email: body.pending_email === email } });
    const rows = await server.db('one_time_codes').where({ user_id: who.user.id });
    asks.push(rows.length);
    await mailTo(mail, email);
    assertRefused(t, await enterCode(server, who, '000000'), { status: 400, error: 'invalid_code' });
  }
  t.deepEqual(
    asks,
    [1, 2, 3].flatMap(() => [{ status: 202, body: { pending_email: true } }, 1]),
  );
  t.is((await mailTo(mail, taken)).code, null);
});

testWithMail(
  'whoever comes back to the own address cannot be thrown out by the link of the one between',
  async (t, server, mail) => {
    const [a, b, c] = ['home', 'stolen', 'stolen-too'].map(newAddress) as [string, string, string];
    const owner = await signInProved(server, a);
    await changeAddress(server, mail, owner, b);
    await changeAddress(server, mail, owner, c);
    const undoOfB = await linkTo(mail, b, '/undo-email/');
    const before = await mail.to(c);
    await changeAddress(server, mail, owner, a);
    const [told] = (await mail.to(c, before.length + 1)).slice(before.length);
    t.deepEqual(
      [told?.subject.includes('was changed'), told?.links],
      [true, []],
      'it learns, and can undo nothing',
    );
    t.is(await confirmOnce(server.url, undoOfB), 410);
    const living = server.db('one_time_codes').where({ user_id: owner.user.id }).whereNull('used_at');
    t.deepEqual(await living.clone().where({ purpose: 'undo_email' }), []);
    t.deepEqual(await addressOf(server, owner.user), { email: a, isProved: true, password_use: null });
  },
);

testWithMail(
  'an administrator who gives the former address back takes the links of later ones away',
  async (t, server, mail) => {
    const [a, b, c] = ['given', 'robbers', 'robbers-too'].map(newAddress) as [string, string, string];
    const thief = await signInProved(server, a);
    await changeAddress(server, mail, thief, b);
    await changeAddress(server, mail, thief, c);
    const undoOfB = await linkTo(mail, b, '/undo-email/');
    const admin = await enterAsAdmin(server);
    const json = { email: a, email_verified: true, reason: 'called us' };
    const path = `PATCH /admin/users/${thief.user.id}` as const;
    t.is((await api(server, path, admin.token, { json })).status, 200);
    t.is(await confirmOnce(server.url, undoOfB), 410);
    t.deepEqual(await addressOf(server, thief.user), { email: a, isProved: true, password_use: null });
  },
);

testWithMail(
  'a proved address that an administrator replaces or removes learns of it, and gets no link',
  async (t, server, mail) => {
    const admin = await enterAsAdmin(server);
    const [a, b] = ['replaced', 'replaces'].map(newAddress) as [string, string];
    const { id } = await makeUser(server.db, { email: a, email_verified: true });
    const change = (json: object) => api(server, `PATCH /admin/users/${id}`, admin.token, { json });
    t.is((await change({ email: a, claims: { name: 'Ada' } })).status, 200);
    t.is((await change({ email: b, email_verified: true, reason: 'called us' })).status, 200);
    const [told, ...more] = await mail.to(a);
    t.deepEqual([told?.links, more], [[], []]);
    t.regex(told?.text ?? '', /now has another address/);
    t.is((await change({ email: null })).status, 200);
    t.regex((await mailTo(mail, b)).text, /does not have this address any more/);
  },
);
