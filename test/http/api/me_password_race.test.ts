// A password change that races other changes, logins, and logins that replace an imported hash.

import { makeClient, makeUser } from '../../helpers/builders.ts';
import { type Answer, assertRefused } from '../../helpers/client.ts';
import { isActive, login, refresh, signIn, tokensOf } from '../../helpers/oauth.ts';
import { change, fresh, signInThrice } from '../../helpers/password_change.ts';
import { rowOf } from '../../helpers/rows.ts';
import { testOnServers } from '../../helpers/server.ts';
import { bcrypt } from '../../helpers/user_imports.ts';

testOnServers(
  'of several simultaneous changes with one old password, exactly one succeeds',
  async (t, server) => {
    const { user, client, own, others } = await signInThrice(server);
    const candidates = [own, ...others, own];
    const answers = await Promise.all(
      candidates.map((one, i) => change(server, one.access_token, { new_password: `${fresh} ${i}` })),
    );
    const winners = answers.flatMap((answer, i) => (answer.status === 200 ? [i] : []));
    t.is(winners.length, 1, answers.map((answer) => answer.text).join('\n'));
    for (const { status } of answers) t.true([200, 401, 403].includes(status));
    const works = await Promise.all(
      candidates.map(
        async (_, i) => (await login(server, user, client, { password: `${fresh} ${i}` })).status,
      ),
    );
    t.deepEqual(
      works,
      candidates.map((_, i) => (winners.includes(i) ? 200 : 400)),
    );
    const versions = await server.db('users').where({ id: user.id }).pluck('token_version');
    t.deepEqual(versions, [1]);
  },
);

testOnServers(
  'a login with the old password does not survive a change that happens meanwhile',
  async (t, server) => {
    const { user, client, own } = await signInThrice(server);
    let isOver = false;
    // Two sequences of logins: some of the last ones have read the old hash and verify it after the new one is stored. Not more
    // at the same time, because the change queues behind them.
    const logInOn = async () => {
      const answers: Answer[] = [];
      while (!isOver) answers.push(await login(server, user, client));
      return answers;
    };
    const changing = change(server, own.access_token).finally(() => {
      isOver = true;
    });
    const [changed, ...logins] = await Promise.all([changing, logInOn(), logInOn()]);
    t.is(changed.status, 200, changed.text);
    for (const answer of logins.flat()) {
      if (answer.status !== 200) {
        assertRefused(t, answer, { status: 400, error: 'invalid_grant' });
        continue;
      }
      const tokens = tokensOf(answer);
      t.false(await isActive(server, tokens.access_token));
      t.is((await refresh(server, client, tokens.refresh_token)).status, 400);
    }
    const live = await server.db('sessions').where({ user_id: user.id, ended_at: null }).pluck('id');
    t.deepEqual(live, [own.session_id]);
  },
);

testOnServers('a login that replaces an imported hash does not disturb a change', async (t, server) => {
  const { user, client, tokens } = await signIn(server);
  for (let round = 0; round < 3; round += 1) {
    await server.db('users').where({ id: user.id }).update({ password_hash: bcrypt, token_version: 0 });
    const logins = Array.from({ length: 4 }, () => login(server, user, client));
    const [changed, ...others] = await Promise.all([change(server, tokens.access_token), ...logins]);
    t.is(changed.status, 200, changed.text);
    for (const { status } of others) t.true(status === 200 || status === 400);
  }
});

testOnServers('simultaneous logins with an imported password all succeed', async (t, server) => {
  const user = await makeUser(server.db, { password_hash: bcrypt });
  const client = await makeClient(server.db);
  const answers = await Promise.all(Array.from({ length: 6 }, () => login(server, user, client)));
  t.deepEqual(
    answers.map((answer) => answer.status),
    answers.map(() => 200),
  );
  const { password_hash } = await rowOf(server.db('users').where({ id: user.id }).first());
  t.regex(String(password_hash), /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
});
