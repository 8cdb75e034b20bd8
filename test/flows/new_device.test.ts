// The notice of a login on a device that was never seen before.

import { confirmLink, linkTo, mailTo, newAddress } from '../helpers/address_change.ts';
import { makeUser, type NamedUser, password } from '../helpers/builders.ts';
import { testOnOwnMailServers, testWithMail } from '../helpers/mail_server.ts';
import { login, refresh, type SignedIn, signIn } from '../helpers/oauth.ts';
import type { TestServer } from '../helpers/server.ts';
import { openUserAgent } from '../helpers/user_agent.ts';

/** How many notices the user got: each has a link of its own. */
async function told({ db }: TestServer, { id }: Pick<NamedUser, 'id'>): Promise<number> {
  return (await db('one_time_codes').where({ user_id: id, purpose: 'not_me' })).length;
}

async function makeProved(server: TestServer, name: string): Promise<NamedUser> {
  return await makeUser(server.db, { email: newAddress(name), email_verified: true });
}

async function logInAtPages({ url }: TestServer, user: NamedUser, ua = openUserAgent(url)) {
  await ua.submit(await ua.open(`${url}/account`), '/account/login', { username: user.username, password });
  return ua;
}

testWithMail(
  'a device is told once, not at the first login and not when it is known',
  async (t, server, mail) => {
    const user = await makeProved(server, 'devices');
    const counts: number[] = [];
    const on = async (device_id: string, given: { client?: SignedIn['client'] } = {}) => {
      const form = { device_id, device_name: `The ${device_id} one` };
      const signedIn = await signIn(server, { user, form, ...given });
      counts.push(await told(server, user));
      return signedIn;
    };
    const { client } = await on('first');
    await on('first', { client });
    const thief = await on('second', { client });
    await on('second', { client });
    t.deepEqual(counts, [0, 0, 1, 1]);
    const { text } = await mailTo(mail, user.email ?? '', '/not-me/');
    t.regex(text, /^Device: The second one \(/m);
    const link = await linkTo(mail, user.email ?? '', '/not-me/');
    t.is((await confirmLink(server, link, { address: user.email ?? '' })).status, 200);
    const ended = await refresh(server, client, thief.tokens.refresh_token);
    t.is(ended.body.ended_reason, 'not_me');
  },
);

testWithMail('a login that names no device is told by its user agent', async (t, server) => {
  const user = await makeProved(server, 'unnamed');
  const as = (agent: string) => ({ extra: { headers: { 'user-agent': agent } } });
  const { client } = await signIn(server, { user, ...as('App/1') });
  await login(server, user, client, {}, as('App/1').extra);
  t.is(await told(server, user), 0);
  await login(server, user, client, {}, as('Other/1').extra);
  t.is(await told(server, user), 1);
});

testWithMail('a browser is told once, and stays known after a change of the password', async (t, server) => {
  const user = await makeProved(server, 'browsers');
  await signIn(server, { user });
  const ua = await logInAtPages(server, user);
  t.is(await told(server, user), 1);
  await logInAtPages(server, user);
  t.is(await told(server, user), 2);
  for (const name of [...ua.cookies.keys()].filter((one) => one.includes('session'))) ua.cookies.delete(name);
  await server.db('known_browsers').where({ user_id: user.id }).update({ proof: 'of an earlier password' });
  await logInAtPages(server, user, ua);
  t.is(await told(server, user), 2);
});

testWithMail('a user of the account page alone learns of a second browser', async (t, server) => {
  const user = await makeProved(server, 'pages');
  await logInAtPages(server, user);
  t.is(await told(server, user), 0);
  await logInAtPages(server, user);
  t.is(await told(server, user), 1);
});

testWithMail('a wrong password and an unproved address tell nobody', async (t, server) => {
  const user = await makeProved(server, 'silent');
  const { client } = await signIn(server, { user, form: { device_id: 'first' } });
  await login(server, user, client, { device_id: 'second', password: 'wrong' });
  t.is(await told(server, user), 0);
  const unproved = await makeUser(server.db, { email: newAddress('unproved') });
  for (const device_id of ['first', 'second']) await login(server, unproved, client, { device_id });
  t.is(await told(server, unproved), 0);
});

testOnOwnMailServers(
  'NOTICES turns the notice off',
  { settings: { NOTICES: 'recovered' } },
  async (t, server) => {
    const user = await makeProved(server, 'off');
    const { client, tokens } = await signIn(server, { user, form: { device_id: 'first' } });
    await login(server, user, client, { device_id: 'second' });
    t.is(await told(server, user), 0);
    t.truthy(tokens.device_secret);
  },
);
