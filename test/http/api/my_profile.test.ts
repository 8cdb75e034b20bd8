// The caller's own profile claims, and what the profile says of the address.
import { issueCode } from '../../../src/core/one_time_codes/one_time_codes.ts';
import { keyring, makeUser } from '../../helpers/builders.ts';
import { assertRefused, granted } from '../../helpers/client.ts';
import { api, signIn } from '../../helpers/oauth.ts';
import { testOnServers } from '../../helpers/server.ts';

testOnServers(
  'I change the standard members of my profile, and neither app nor anything else',
  async (t, server) => {
    const user = await makeUser(server.db, { claims: { name: 'Ada', app: { plan: 'team' } } });
    const { tokens } = await signIn(server, { user });
    const change = (json: unknown) => api(server, 'PATCH /me', tokens.access_token, { json });
    t.deepEqual(granted(await change({ claims: { name: null, locale: 'de-CH' } })).claims, {
      locale: 'de-CH',
    });
    for (const claims of [
      { app: { plan: 'gold' } },
      { app: null },
      { email_verified: true },
      { picture: 'javascript:alert(1)' },
      { name: 'x\nBcc: y' },
      null,
      [],
      'x',
    ])
      assertRefused(
        t,
        await change({ claims }),
        { status: 400, error: 'invalid_claims' },
        JSON.stringify(claims),
      );
    const big = { app: { x: 'a'.repeat(3_900) } };
    await server
      .db('users')
      .where({ id: user.id })
      .update({ claims: JSON.stringify(big) as never });
    assertRefused(t, await change({ claims: { picture: `https://x.example/${'a'.repeat(300)}` } }), {
      status: 400,
      error: 'invalid_claims',
    });
    const row = await server.db('users').where({ id: user.id }).first();
    t.deepEqual(row?.claims, big);
    const events = await server.db('audit_events').where({ user_id: user.id, type: 'user_updated' });
    t.deepEqual(
      events.map(({ detail }) => detail),
      [{ changed: ['claims'] }],
    );
  },
);

testOnServers('of two changes at once none is lost', async (t, server) => {
  const { user, tokens } = await signIn(server);
  const change = (claims: object) => api(server, 'PATCH /me', tokens.access_token, { json: { claims } });
  const members = { name: 'Ada L', given_name: 'Ada', family_name: 'L', locale: 'en', zoneinfo: 'UTC' };
  await Promise.all(Object.entries(members).map(([name, value]) => change({ [name]: value })));
  const row = await server.db('users').where({ id: user.id }).first();
  t.deepEqual(row?.claims, members);
});

testOnServers('my profile says whether the address is verified, and which one waits', async (t, server) => {
  const user = await makeUser(server.db, { email: 'ada@x.example', email_verified: true });
  const { tokens } = await signIn(server, { user });
  const read = async () => granted(await api(server, 'GET /me', tokens.access_token));
  t.like(await read(), { email_verified: true, pending_email: null, has_password: true, factors: [] });
  await server.db.transaction((tx) =>
    issueCode(tx, keyring, { purpose: 'verify_email', user, address: 'new@x.example', request: user.id }),
  );
  t.like(await read(), { email: 'ada@x.example', pending_email: 'new@x.example' });
  await server
    .db('users')
    .where({ id: user.id })
    .update({ code_version: user.code_version + 1 });
  t.like(await read(), { pending_email: null }, 'a code that is void');
});
