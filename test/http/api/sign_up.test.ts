import { digest } from '../../../src/lib/crypto.ts';
import { makeUser } from '../../helpers/builders.ts';
import { assertRefused } from '../../helpers/client.ts';
import { rowOf } from '../../helpers/rows.ts';
import { testOnOwnServers, testOnServers } from '../../helpers/server.ts';
import {
  anotherCode,
  askForAccount,
  complete,
  logInAs,
  mailsTo,
  newAddress,
  requestSignUp,
} from '../../helpers/sign_up.ts';

testOnServers('the user exists once the code came back, with what the request said', async (t, server) => {
  const email = newAddress('Ada');
  const asked = { email, username: `ada-${server.store}`, claims: { name: 'Ada L.' } };
  const { sign_up_id, code, mail } = await askForAccount(t, server, asked);
  t.regex(sign_up_id, /^[\w-]{43}$/);
  t.deepEqual([mail.kind, mail.isProved], ['sign_up', false]);
  t.is(await server.db('users').where({ email }).first(), undefined, 'nobody exists before');
  assertRefused(t, await logInAs(server, email), { status: 400, error: 'invalid_grant' });
  const done = await complete(server, { sign_up_id, code });
  const { id, ...answered } = done.body;
  t.deepEqual([done.status, answered], [201, { username: asked.username, email }]);
  const user = await rowOf(server.db('users').where({ email }).first());
  t.deepEqual([user.id, user.claims, user.roles, user.password_use], [id, { name: 'Ada L.' }, [], null]);
  t.truthy(user.email_verified_at);
  for (const username of [email, email.toUpperCase(), asked.username])
    t.is((await logInAs(server, username)).status, 200);
  assertRefused(t, await complete(server, { sign_up_id, code }), { status: 400, error: 'invalid_code' });
  const events = await server.db('audit_events').where({ user_id: user.id, type: 'user_signed_up' });
  t.deepEqual(
    events.map(({ actor, actor_id }) => [actor, actor_id]),
    [['user', user.id]],
  );
});

testOnServers(
  'an address with an account gets the same answer, and a mail that says so',
  async (t, server) => {
    const email = newAddress('Known');
    const user = await makeUser(server.db, { email, email_verified: true });
    const other = await requestSignUp(server, { email: newAddress() });
    const answer = await requestSignUp(server, { email: email.toLowerCase(), claims: { name: 'Mallory' } });
    t.deepEqual([answer.status, Object.keys(answer.body)], [202, Object.keys(other.body)]);
    const [mail, ...more] = await mailsTo(server, email);
    t.deepEqual(more, []);
    t.deepEqual(
      [mail?.kind, mail?.code, mail?.path, mail?.facts],
      ['sign_up_known', null, '/recover', undefined],
    );
    t.is((await server.db('users').where({ email_key: user.email_key })).length, 1);
    // Not even the code that lies in the database completes it.
    const sign_up_id = String(answer.body.sign_up_id);
    const row = await rowOf(
      server
        .db('one_time_codes')
        .where({ request_digest: digest(sign_up_id) })
        .first(),
    );
    t.deepEqual([row.address, row.user_id], [null, null]);
  },
);

testOnServers('a code works with the request that asked for it alone', async (t, server) => {
  const email = newAddress();
  const mine = await askForAccount(t, server, { email, username: `mine-${server.store}` });
  const theirs = await askForAccount(t, server, {
    email,
    username: `theirs-${server.store}`,
    password: 'their own long password',
  });
  const mixed = { sign_up_id: theirs.sign_up_id, code: mine.code };
  if (mine.code !== theirs.code)
    assertRefused(t, await complete(server, mixed), { status: 400, error: 'invalid_code' });
  const unknown = { sign_up_id: 'x'.repeat(43), code: mine.code };
  assertRefused(t, await complete(server, unknown), { status: 400, error: 'invalid_code' });
  const done = await complete(server, { sign_up_id: mine.sign_up_id, code: mine.code });
  t.deepEqual([done.status, done.body.username], [201, `mine-${server.store}`]);
  t.is((await logInAs(server, email)).status, 200, 'my password counts');
  const late = { sign_up_id: theirs.sign_up_id, code: theirs.code };
  assertRefused(t, await complete(server, late), { status: 400, error: 'invalid_code' });
});

testOnServers('a username that is taken meanwhile does not spend the code', async (t, server) => {
  const email = newAddress();
  const username = `wanted-${server.store}`;
  const { sign_up_id, code } = await askForAccount(t, server, { email, username });
  await makeUser(server.db, { username });
  assertRefused(t, await requestSignUp(server, { email, username: username.toUpperCase() }), {
    status: 409,
    error: 'username_taken',
  });
  assertRefused(t, await complete(server, { sign_up_id, code }), { status: 409, error: 'username_taken' });
  const done = await complete(server, { sign_up_id, code, username: `${username}-2` });
  t.deepEqual([done.status, done.body.username], [201, `${username}-2`]);
});

testOnServers('five wrong codes make the right one void, also of thirty at once', async (t, server) => {
  const { sign_up_id, code } = await askForAccount(t, server, { email: newAddress() });
  const wrong = { sign_up_id, code: anotherCode(code) };
  const answers = await Promise.all(Array.from({ length: 30 }, () => complete(server, wrong)));
  t.deepEqual(new Set(answers.map(({ status }) => status)), new Set([400]));
  const { tries } = await rowOf(
    server
      .db('one_time_codes')
      .where({ request_digest: digest(sign_up_id) })
      .first(),
  );
  t.is(tries, 5);
  assertRefused(t, await complete(server, { sign_up_id, code }), { status: 400, error: 'invalid_code' });
});

testOnServers('of two completions at once one makes the user, also with two requests', async (t, server) => {
  const email = newAddress();
  const one = await askForAccount(t, server, { email });
  const other = await askForAccount(t, server, { email });
  const both = [one, one, other, other].map(({ sign_up_id, code }) => complete(server, { sign_up_id, code }));
  const statuses = (await Promise.all(both)).map(({ status }) => status);
  t.deepEqual(statuses.toSorted(), [201, 400, 400, 400]);
  t.is((await server.db('users').where({ email })).length, 1);
});

testOnServers(
  'of two requests for one username at once, one gets it and the other asks again',
  async (t, server) => {
    const username = `both-${server.store}`;
    const asked = [
      await askForAccount(t, server, { email: newAddress(), username }),
      await askForAccount(t, server, { email: newAddress(), username }),
    ];
    const answers = await Promise.all(
      asked.map(({ sign_up_id, code }) => complete(server, { sign_up_id, code })),
    );
    t.deepEqual(answers.map(({ status }) => status).toSorted(), [201, 409]);
    const loser = asked[answers[0]?.status === 409 ? 0 : 1];
    const again = { sign_up_id: loser?.sign_up_id, code: loser?.code, username: `${username}-2` };
    t.is((await complete(server, again)).status, 201);
  },
);

testOnServers('a code dies when its address gets a user, by any way', async (t, server) => {
  const email = newAddress();
  const { sign_up_id, code } = await askForAccount(t, server, { email });
  await makeUser(server.db, { email, email_verified: true });
  assertRefused(t, await complete(server, { sign_up_id, code }), { status: 400, error: 'invalid_code' });
});

testOnServers(
  'an address that its user has not proved goes to the person who proves it',
  async (t, server) => {
    const email = newAddress();
    const thief = await makeUser(server.db, { email });
    const { sign_up_id, code, mail } = await askForAccount(t, server, {
      email,
      password: 'the long password of the owner',
    });
    t.is(mail.kind, 'sign_up', 'the answer and the mail are those of a new address');
    t.is((await complete(server, { sign_up_id, code })).status, 201);
    assertRefused(t, await logInAs(server, email), { status: 400, error: 'invalid_grant' });
    t.is((await logInAs(server, email, 'the long password of the owner')).status, 200);
    t.is((await logInAs(server, thief.username)).status, 200, 'the other keeps the username');
  },
);

testOnServers(
  'plus tags make two users, and each mail goes to the address as it was given',
  async (t, server) => {
    const email = newAddress('A.B+x');
    const one = await askForAccount(t, server, { email });
    t.is((await complete(server, one)).status, 400, 'an unknown member is refused');
    t.is((await complete(server, { sign_up_id: one.sign_up_id, code: one.code })).status, 201);
    const plain = email.replace('+x', '');
    const other = await askForAccount(t, server, { email: plain });
    t.is((await complete(server, { sign_up_id: other.sign_up_id, code: other.code })).body.email, plain);
  },
);

testOnServers(
  'what is wrong with a request is said before anything is hashed or mailed',
  async (t, server) => {
    const email = newAddress();
    const cases: [object, number, string][] = [
      [{ email, password: 'short' }, 400, 'weak_password'],
      [{ email, password: email }, 400, 'weak_password'],
      [{ email, claims: { app: { plan: 'gold' } } }, 400, 'invalid_claims'],
      [{ email, claims: { name: 7 } }, 400, 'invalid_claims'],
      [{ email, roles: ['admin'] }, 400, 'invalid_request'],
      [{ email, username: 'a@b' }, 400, 'invalid_request'],
      [{ email: 'no address' }, 400, 'invalid_request'],
      [{ email: `a\u200f@example.com` }, 400, 'invalid_request'],
      [{ email: 'a@example.com\r\nBcc: b@example.com' }, 400, 'invalid_request'],
    ];
    for (const [json, status, error] of cases) {
      const answer = await requestSignUp(server, { ...json });
      t.deepEqual([answer.status, answer.body.error], [status, error], answer.text);
    }
    t.deepEqual(await mailsTo(server, email), []);
  },
);

testOnOwnServers(
  'SIGN_UP_DOMAINS bind the address, in any spelling',
  { SIGN_UP_DOMAINS: 'example.com,xn--bcher-kva.example' },
  async (t, server) => {
    for (const email of ['a@EXAMPLE.com', 'a@bücher.example', 'a@xn--bcher-kva.example'])
      t.is((await requestSignUp(server, { email })).status, 202, email);
    for (const email of ['a@sub.example.com', 'a@example.com.example', 'a@notexample.com'])
      assertRefused(t, await requestSignUp(server, { email }), {
        status: 400,
        error: 'email_domain_not_allowed',
      });
  },
);

testOnOwnServers('without SIGN_UP=open nobody signs up', { SIGN_UP: 'invite' }, async (t, server) => {
  assertRefused(t, await requestSignUp(server, { email: newAddress() }), { status: 404, error: 'not_found' });
  assertRefused(t, await complete(server, { sign_up_id: 'x'.repeat(43), code: '123456' }), {
    status: 404,
    error: 'not_found',
  });
});

testOnOwnServers(
  'the limit of a mailbox stops the mail and not the answer, and the network has one of its own',
  { RATE_LIMITS: 'memory', RATE_LIMIT_MAIL: '2/3600', RATE_LIMIT_MAIL_ADDRESS: '4/3600' },
  async (t, server) => {
    const email = newAddress();
    for (let round = 0; round < 3; round += 1) t.is((await requestSignUp(server, { email })).status, 202);
    t.is((await mailsTo(server, email)).length, 2);
    t.is((await requestSignUp(server, { email: newAddress() })).status, 202);
    const refused = await requestSignUp(server, { email: newAddress() });
    assertRefused(t, refused, { status: 429, error: 'rate_limited', reason: 'rate_limited' });
    t.truthy(refused.headers['retry-after']);
  },
);
