import { enterAsAdmin, post } from '../helpers/admin.ts';
import { makeUser, password } from '../helpers/builders.ts';
import { testWithMail } from '../helpers/mail_server.ts';
import { newAddress, requestSignUp } from '../helpers/sign_up.ts';
import { openUserAgent } from '../helpers/user_agent.ts';

testWithMail('with a mail server the link of an invitation is in the mail alone', async (t, server, mail) => {
  const admin = await enterAsAdmin(server);
  const email = newAddress('Grace');
  const answer = await post(server, admin, '/invitations', { email, roles: ['editor'] });
  t.deepEqual([answer.status, answer.body.url], [201, undefined]);
  const [received] = await mail.to(email);
  const [link = ''] = received?.links ?? [];
  t.true(link.startsWith(`${server.issuer}/invitation/`));
  t.false(answer.text.includes(link.split('/').at(-1) ?? link));
  const ua = openUserAgent(server.url);
  const page = await ua.open(link);
  t.is((await ua.submit(page, new URL(link).pathname, { password })).status, 200);
});

testWithMail('the mail of a sign-up goes to the address as it was given', async (t, server, mail) => {
  const [fresh, known] = [newAddress('New.Person+x'), newAddress('Known')];
  await makeUser(server.db, { email: known, email_verified: true });
  for (const email of [fresh, known.toLowerCase()])
    t.is((await requestSignUp(server, { email, claims: { name: 'Buy now at evil.example' } })).status, 202);
  const [asked] = await mail.to(fresh);
  t.regex(asked?.subject ?? '', /^\d{6} is your code/);
  const [told] = await mail.to(known);
  t.regex(told?.subject ?? '', /^You already have/);
  for (const one of [asked, told]) t.false(/evil|Buy/.test(one?.raw ?? 'evil'));
});
