// How often a password may be tried, at the token endpoint and at the password change.
import type { ExecutionContext } from 'ava';
import { makeClient, makeUser, password } from '../../helpers/builders.ts';
import { type Answer, assertRefused } from '../../helpers/client.ts';
import { login, refresh, signIn, tokensOf } from '../../helpers/oauth.ts';
import { change } from '../../helpers/password_change.ts';
import { testOnOwnServers } from '../../helpers/server.ts';

function assertLimited(t: ExecutionContext, answer: Answer, seconds: number): void {
  assertRefused(t, answer, { status: 429, error: 'rate_limited', reason: 'rate_limited' });
  const wait = Number(answer.headers['retry-after']);
  t.true(wait > 0 && wait <= seconds, `Retry-After: ${wait}`);
}

const inMemory = { RATE_LIMITS: 'memory' };

testOnOwnServers(
  'a user has three attempts an hour, and a weak password does not count as one',
  inMemory,
  async (t, server) => {
    const { user, client, tokens } = await signIn(server);
    for (let i = 0; i < 4; i += 1) {
      const weak = await change(server, tokens.access_token, { new_password: 'short' });
      t.is(weak.status, 400);
    }
    for (let i = 0; i < 3; i += 1) {
      const wrong = await change(server, tokens.access_token, { current_password: 'wrong' });
      assertRefused(t, wrong, { status: 403, error: 'invalid_credentials' });
    }
    assertLimited(t, await change(server, tokens.access_token), 3600);
    t.is((await login(server, user, client)).status, 200, 'logging in is another thing');
  },
);

const strict = { ...inMemory, LOCKOUT: '3/600/9000', RATE_LIMIT_PASSWORD: '100/60' };

testOnOwnServers(
  'wrong passwords at the login on a device and at a change from it count together',
  strict,
  async (t, server) => {
    const { user, client, tokens } = await signIn(server, { form: { device_id: 'phone' } });
    const { device_secret = '' } = tokens;
    const phone = { device_id: 'phone', device_secret };
    t.is((await login(server, user, client, { ...phone, password: 'wrong' })).status, 400);
    t.is((await change(server, tokens.access_token, { current_password: 'wrong' })).status, 403);
    t.is((await login(server, user, client, { ...phone, password: 'wrong' })).status, 400);
    assertLimited(t, await login(server, user, client, phone), 600);
    assertLimited(t, await change(server, tokens.access_token), 600);
    t.is((await login(server, user, client)).status, 200, 'a login without the device is not locked out');
  },
);

testOnOwnServers(
  'a stranger’s wrong passwords lock out unknown devices, not a known phone',
  strict,
  async (t, server) => {
    const { user, client, tokens } = await signIn(server, { form: { device_id: 'phone' } });
    for (let i = 0; i < 3; i += 1) await login(server, user, client, { password: 'wrong' });
    assertLimited(t, await login(server, user, client), 600);
    assertLimited(t, await login(server, user, client, { device_id: 'new' }), 600);
    assertLimited(t, await login(server, user, client, { device_id: 'phone' }), 600);
    const { device_secret = '' } = tokens;
    t.is((await login(server, user, client, { device_id: 'phone', device_secret })).status, 200);
    t.is((await change(server, tokens.access_token)).status, 200);
  },
);

testOnOwnServers(
  'a 429 reveals neither which users exist nor whether a password is right',
  strict,
  async (t, server) => {
    const client = await makeClient(server.db);
    const user = await makeUser(server.db);
    const outcomes = await Promise.all(
      [user.username, 'nobody'].map(async (username) => {
        const answers: unknown[] = [];
        for (const given of ['a', 'b', 'c', 'd', password]) {
          const { status, body } = await login(server, { username }, client, { password: given });
          answers.push({ status, ...body, request_id: null });
        }
        return answers;
      }),
    );
    t.deepEqual(outcomes[0], outcomes[1]);
  },
);

testOnOwnServers(
  'the limits follow the settings',
  {
    ...inMemory,
    RATE_LIMIT_PASSWORD: '2/300',
    RATE_LIMIT_REFRESH: '1/200',
    RATE_LIMIT_PASSWORD_CHANGE: '1/100',
  },
  async (t, server) => {
    const { user, client, tokens } = await signIn(server);
    const wrong = { password: 'wrong' };
    for (let i = 0; i < 2; i += 1) t.is((await login(server, user, client, wrong)).status, 400);
    assertLimited(t, await login(server, user, client, wrong), 300);
    const again = tokensOf(await refresh(server, client, tokens.refresh_token));
    assertLimited(t, await refresh(server, client, again.refresh_token), 200);
    await change(server, again.access_token, { current_password: 'wrong' });
    assertLimited(t, await change(server, again.access_token), 100);
  },
);
