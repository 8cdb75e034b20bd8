// A refused refresh says why the session ended: to its own client alone, and from the moment of the ending on.
import { beginEndingAll } from '../../src/core/sessions/end_many.ts';
import { endSession } from '../../src/core/sessions/end_sessions.ts';
import { lockUser } from '../../src/core/users/users.ts';
import { makeClient } from '../helpers/builders.ts';
import { assertRefused } from '../helpers/client.ts';
import { endedReasons } from '../helpers/ended_reasons.ts';
import { multiplySession } from '../helpers/many_sessions.ts';
import { api, refresh, signIn } from '../helpers/oauth.ts';
import { testOnServers } from '../helpers/server.ts';

const refused = { status: 400, error: 'invalid_grant', reason: 'session_ended' };

/** `expired` is another refusal. */
const reasons = endedReasons.filter((one) => one !== 'expired');

testOnServers('a refused refresh names the reason for which the session ended', async (t, server) => {
  const client = await makeClient(server.db);
  for (const ended_reason of reasons) {
    const { tokens } = await signIn(server, { client });
    await endSession(server.db, tokens.session_id, { reason: ended_reason, actor: 'system' });
    assertRefused(t, await refresh(server, client, tokens.refresh_token), { ...refused, ended_reason });
    // A parameter that only the engine knows: the request enters there.
    const viaEngine = await refresh(server, client, tokens.refresh_token, { client_secret: '' });
    assertRefused(t, viaEngine, { ...refused, ended_reason });
  }
});

testOnServers('another client with the token does not learn why the session ended', async (t, server) => {
  const { tokens, client } = await signIn(server);
  await endSession(server.db, tokens.session_id, { reason: 'user_banned', actor: 'admin' });
  const other = await makeClient(server.db);
  assertRefused(t, await refresh(server, other, tokens.refresh_token), {
    status: 400,
    error: 'invalid_grant',
  });
  const altered = `${tokens.refresh_token.slice(0, -2)}${tokens.refresh_token.endsWith('AA') ? 'BB' : 'AA'}`;
  assertRefused(t, await refresh(server, client, altered), { status: 400, error: 'invalid_grant' });
});

testOnServers(
  'a session whose row is not marked yet, because very many end together, names the reason too',
  async (t, server) => {
    const me = await signIn(server);
    const { user, client, tokens } = me;
    await multiplySession(server.db, tokens.session_id, 501);
    // The newest row ends with the second chunk, which is not written here.
    const last = await signIn(server, { user, client });
    await server.db.transaction(async (tx) => {
      await lockUser(tx, user.id);
      await beginEndingAll(tx, user.id, { reason: 'recovered', actor: 'user' });
    });
    const row = await server.db('sessions').where({ user_id: user.id }).whereNull('ended_at').first('id');
    t.truthy(row);
    for (const one of [tokens, last.tokens])
      assertRefused(t, await refresh(server, client, one.refresh_token), {
        ...refused,
        ended_reason: 'recovered',
      });
  },
);

testOnServers('of a session that expired, no reason of an ending is named', async (t, server) => {
  const { tokens, client } = await signIn(server);
  await server
    .db('sessions')
    .where({ id: tokens.session_id })
    .update({ absolute_expires_at: new Date(0) });
  const expired = { status: 400, error: 'invalid_grant', reason: 'session_expired' };
  const { body } = await refresh(server, client, tokens.refresh_token);
  t.deepEqual([body.reason, body.ended_reason], [expired.reason, undefined]);
});

testOnServers('the OpenAPI document names the member', async (t, server) => {
  const { components } = (await api(server, 'GET /openapi.json')).body as {
    components: { schemas: Record<string, { properties: object }> };
  };
  t.true('ended_reason' in (components.schemas.Error?.properties ?? {}));
});
