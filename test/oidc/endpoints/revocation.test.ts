// Revocation (RFC 7009): only a token's own client can revoke it, and the answer reveals nothing.
import type { ExecutionContext } from 'ava';
import { findSession } from '../../../src/core/sessions/find_session.ts';
import { makeClient } from '../../helpers/builders.ts';
import { type Answer, assertRefused, send } from '../../helpers/client.ts';
import { introspect, isActive, refresh, revoke, signIn, token, tokensOf } from '../../helpers/oauth.ts';
import { makeConfidentialClient, makeResourceServer } from '../../helpers/resources.ts';
import { gateway, testOnServers } from '../../helpers/server.ts';

const inactive = { active: false };
const formats = ['jwt', 'opaque'] as const;
const ended = { status: 400, error: 'invalid_grant', reason: 'session_ended' };

function assertDone(t: ExecutionContext, { status, body, headers }: Answer): void {
  t.deepEqual({ status, body }, { status: 200, body: {} });
  t.is(headers['content-type'], 'application/json; charset=utf-8');
}

for (const format of formats) {
  testOnServers(`revoking an access token revokes that token alone (${format})`, async (t, server) => {
    const { form } = await makeResourceServer(server, format);
    const { client, user, tokens } = await signIn(server, { form });
    const other = await signIn(server, { client, user, form });
    const next = tokensOf(await refresh(server, client, tokens.refresh_token));
    assertDone(t, await revoke(server, next.access_token, client));
    assertDone(t, await revoke(server, next.access_token, client));
    t.deepEqual(await introspect(server, next.access_token), inactive);
    t.is(await isActive(server, tokens.access_token), true, 'the token before it');
    t.is(await isActive(server, other.tokens.access_token), true, 'the other session');
    const third = tokensOf(await refresh(server, client, next.refresh_token));
    t.is(await isActive(server, third.access_token), true);
  });

  testOnServers(`another client's revocation has no effect (${format})`, async (t, server) => {
    const { form, client: resourceServer } = await makeResourceServer(server, format);
    const { client, tokens } = await signIn(server, { form });
    const strangers = [gateway, resourceServer, await makeClient(server.db)];
    for (const stranger of [...strangers, await makeConfidentialClient(server)]) {
      assertDone(t, await revoke(server, tokens.access_token, stranger));
      assertDone(t, await revoke(server, tokens.refresh_token, stranger));
    }
    t.is(await isActive(server, tokens.access_token), true);
    tokensOf(await refresh(server, client, tokens.refresh_token));
  });

  testOnServers(
    `a token is revoked whether its token_type_hint is right or wrong (${format})`,
    async (t, server) => {
      const { form } = await makeResourceServer(server, format);
      for (const token_type_hint of ['access_token', 'refresh_token', 'nonsense', '']) {
        const { client, tokens } = await signIn(server, { form });
        const hinted = { token_type_hint };
        assertDone(t, await revoke(server, tokens.access_token, client, hinted));
        t.deepEqual(await introspect(server, tokens.access_token), inactive, token_type_hint);
        assertDone(t, await revoke(server, tokens.refresh_token, client, hinted));
        assertRefused(t, await refresh(server, client, tokens.refresh_token), ended, token_type_hint);
      }
    },
  );

  testOnServers(
    `a client_credentials token can be revoked only by its client (${format})`,
    async (t, server) => {
      const { form } = await makeResourceServer(server, format);
      const client = await makeConfidentialClient(server, {
        grant_types: ['client_credentials'],
        scope: 'orders:read',
      });
      const ask = async () =>
        tokensOf(await token(server, { grant_type: 'client_credentials', ...client, ...form }));
      const { access_token } = await ask();
      const another = await ask();
      assertDone(t, await revoke(server, access_token, gateway));
      t.is(await isActive(server, access_token), true);
      assertDone(t, await revoke(server, access_token, client));
      t.deepEqual(await introspect(server, access_token), inactive);
      t.is(await isActive(server, another.access_token), true);
    },
  );
}

for (const which of ['current', 'old'] as const) {
  testOnServers(`revoking the ${which} refresh token of a session ends the session`, async (t, server) => {
    const { client, user, tokens } = await signIn(server);
    const other = await signIn(server, { client, user });
    const next = tokensOf(await refresh(server, client, tokens.refresh_token));
    const value = which === 'current' ? next.refresh_token : tokens.refresh_token;
    assertDone(t, await revoke(server, value, client));
    assertDone(t, await revoke(server, value, client));

    t.deepEqual(await introspect(server, next.access_token), inactive);
    assertRefused(t, await refresh(server, client, next.refresh_token), ended);
    const { ended_reason, ended_by, token_version } = (await findSession(server.db, tokens.session_id)) ?? {};
    t.deepEqual(
      { ended_reason, ended_by, token_version },
      { ended_reason: 'token_revoked', ended_by: 'client', token_version: 0 },
    );
    const events = await server
      .db('audit_events')
      .where({ session_id: tokens.session_id, type: 'session_ended' });
    t.deepEqual(
      events.map(({ actor, reason, client_id }) => ({ actor, reason, client_id })),
      [{ actor: 'client', reason: 'token_revoked', client_id: client.client_id }],
    );
    t.is(await isActive(server, other.tokens.access_token), true);
  });
}

testOnServers('revoking a string that is no token succeeds and reveals nothing', async (t, server) => {
  const { client, tokens } = await signIn(server);
  const [header, claims, signature = ''] = tokens.access_token.split('.');
  const tampered = `${header}.${claims}.${signature.slice(0, -4)}AAAA`;
  for (const value of ['x', 'a.b.c', '\0', '💥', 'krt_', 'x'.repeat(9_000), tampered, tokens.session_id]) {
    assertDone(t, await revoke(server, value, client));
  }
  t.is(await isActive(server, tokens.access_token), true);
});

testOnServers('a caller that does not authenticate cannot revoke', async (t, server) => {
  const client = await makeConfidentialClient(server);
  const { client_id } = client;
  const { tokens } = await signIn(server, { client });
  const refused = { status: 401, error: 'invalid_client' };
  for (const form of [{ client_id }, { client_id, client_secret: 'wrong' }, { client_id: 'nobody' }]) {
    assertRefused(t, await revoke(server, tokens.refresh_token, form), refused);
    assertRefused(t, await revoke(server, tokens.access_token, form), refused);
  }
  assertRefused(t, await revoke(server, tokens.refresh_token, { client_id: '' }), {
    status: 400,
    error: 'invalid_request',
  });
  const nothing = await send(`${server.url}/revoke`, { form: { ...client } });
  assertRefused(t, nothing, { status: 400, error: 'invalid_request' });
  t.is(await isActive(server, tokens.access_token), true);
});

testOnServers('revocation answers JSON, whatever the caller accepts', async (t, server) => {
  const { client, tokens } = await signIn(server);
  for (const value of [tokens.access_token, tokens.refresh_token]) {
    const form = { client_id: client.client_id, token: value };
    assertDone(t, await send(`${server.url}/revoke`, { form, headers: { Accept: 'text/html' } }));
  }
  const refused = await send(`${server.url}/revoke`, {
    form: { client_id: 'x' },
    headers: { Accept: 'text/html' },
  });
  assertRefused(t, refused, { status: 401, error: 'invalid_client' });
});
