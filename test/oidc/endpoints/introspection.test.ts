// Introspection (RFC 7662): which callers get which answer, and that no revoked, expired or ended token is active.

import { changeUserStatus } from '../../../src/core/actions/user_status.ts';
import { raiseTokenVersion } from '../../../src/core/users/user_changes.ts';
import { makeClient, makeUser } from '../../helpers/builders.ts';
import { assertRefused, type Form, send } from '../../helpers/client.ts';
import {
  api,
  introspect,
  isActive,
  readJwt,
  refresh,
  revoke,
  signIn,
  token,
  tokensOf,
} from '../../helpers/oauth.ts';
import { makeConfidentialClient, makeResourceServer } from '../../helpers/resources.ts';
import { gateway, type TestServer, testOnServers } from '../../helpers/server.ts';
import { until } from '../../helpers/until.ts';

const inactive = { active: false };
const formats = ['jwt', 'opaque'] as const;
const person = { roles: ['customer'], permissions: ['orders:read'], tenant_id: 'acme', email: null };

/** A user who is logged in at a resource server of this format. */
async function enter(server: TestServer, format: 'jwt' | 'opaque') {
  const resourceServer = await makeResourceServer(server, format);
  const client = await makeConfidentialClient(server);
  const user = await makeUser(server.db, person);
  const { tokens } = await signIn(server, { user, client, form: resourceServer.form });
  return { resourceServer, client, user, tokens };
}

testOnServers('introspection of a JWT returns its claims and its type', async (t, server) => {
  const user = await makeUser(server.db, person);
  const { tokens } = await signIn(server, { user });
  const { client_version, ...claims } = readJwt(tokens.access_token).claims;
  t.is(typeof client_version, 'number');
  t.deepEqual(await introspect(server, tokens.access_token), {
    active: true,
    ...claims,
    username: user.username,
    token_type: 'Bearer',
  });
});

testOnServers('introspection of an opaque token returns the members of a JWT', async (t, server) => {
  const { resourceServer, client, user, tokens } = await enter(server, 'opaque');
  t.notRegex(tokens.access_token, /\./);
  const { iat, auth_time, ...said } = await introspect(server, tokens.access_token);
  const now = Date.now() / 1000;
  t.true(Number(iat) <= now && Number(iat) > now - 60 && Number(auth_time) <= Number(iat));
  t.deepEqual(said, {
    active: true,
    iss: server.issuer,
    sub: user.id,
    aud: resourceServer.identifier,
    exp: Number(iat) + 900,
    client_id: client.client_id,
    scope: 'orders:read',
    sid: tokens.session_id,
    roles: person.roles,
    permissions: person.permissions,
    tid: person.tenant_id,
    token_version: 0,
    username: user.username,
    token_type: 'Bearer',
  });
});

for (const format of formats) {
  testOnServers(
    `a token is active only for its client, its resource server and gateways (${format})`,
    async (t, server) => {
      const { resourceServer, client, tokens } = await enter(server, format);
      const { access_token } = tokens;
      const said = await introspect(server, access_token, resourceServer.client);
      t.is(said.active, true, 'the resource server in its audience');
      const { username: _, ...toClient } = said;
      t.deepEqual(
        await introspect(server, access_token, client),
        toClient,
        'the client that it was issued to',
      );
      t.deepEqual(
        await introspect(server, access_token, gateway),
        said,
        'a gateway, which may introspect every token',
      );
      const { client: other } = await makeResourceServer(server, format);
      t.deepEqual(await introspect(server, access_token, other), inactive, 'no other resource server');
      const stranger = await makeConfidentialClient(server);
      t.deepEqual(await introspect(server, access_token, stranger), inactive, 'no other client');
    },
  );

  testOnServers(
    `the API that a token is meant for learns its user's names, its client does not (${format})`,
    async (t, server) => {
      const { resourceServer } = await enter(server, format);
      const email = `ada-${format}@${server.store}.example`;
      const user = await makeUser(server.db, { email });
      const client = await makeConfidentialClient(server);
      const { tokens } = await signIn(server, { user, client, form: resourceServer.form });
      const names = { username: user.username, email, email_verified: false };
      t.like(await introspect(server, tokens.access_token, resourceServer.client), names);
      t.like(await introspect(server, tokens.access_token, gateway), names);
      const unnamed = { username: undefined, email: undefined, email_verified: undefined };
      t.like(await introspect(server, tokens.access_token, client), { active: true, ...unnamed });
      t.like(await introspect(server, tokens.refresh_token, client), { active: true, ...unnamed });
      const machine = await makeConfidentialClient(server, {
        scope: 'orders:read',
        grant_types: ['client_credentials'],
      });
      const form = { grant_type: 'client_credentials', ...machine, ...resourceServer.form };
      const own = tokensOf(await token(server, form)).access_token;
      t.like(await introspect(server, own, resourceServer.client), { active: true, ...unnamed }, 'no user');
    },
  );

  testOnServers(
    `a token_type_hint, right or wrong, does not change the answer (${format})`,
    async (t, server) => {
      const { client, tokens } = await enter(server, format);
      for (const hint of ['access_token', 'refresh_token', 'id_token', 'nonsense', '']) {
        const hinted = { token_type_hint: hint };
        t.is((await introspect(server, tokens.access_token, client, hinted)).active, true, hint);
        t.is((await introspect(server, tokens.refresh_token, client, hinted)).active, true, hint);
      }
    },
  );

  testOnServers(`a token is inactive once its session has ended (${format})`, async (t, server) => {
    const { client, tokens } = await enter(server, format);
    const { access_token } = tokens;
    t.is(await isActive(server, access_token), true);
    await revoke(server, tokens.refresh_token, client);
    t.deepEqual(await introspect(server, access_token), inactive);
    t.deepEqual(await introspect(server, tokens.refresh_token, client), inactive);
  });

  for (const status of ['banned', 'disabled', 'deleted'] as const) {
    testOnServers(`the tokens of a ${status} user are inactive (${format})`, async (t, server) => {
      const { client, user, tokens } = await enter(server, format);
      await changeUserStatus(server.db, user.id, { status, actor: 'admin' });
      t.deepEqual(await introspect(server, tokens.access_token), inactive);
      t.deepEqual(await introspect(server, tokens.refresh_token, client), inactive);
      // The user's status decides even if a session were still live.
      await server.db('sessions').where({ id: tokens.session_id }).update({ ended_at: null });
      t.deepEqual(await introspect(server, tokens.access_token), inactive);
      t.deepEqual(await introspect(server, tokens.refresh_token, client), inactive);
    });
  }

  testOnServers(
    `a token with an older token_version is inactive, and a refresh issues an active one (${format})`,
    async (t, server) => {
      const { client, user, tokens } = await enter(server, format);
      await raiseTokenVersion(server.db, user.id);
      t.deepEqual(await introspect(server, tokens.access_token), inactive);
      const next = tokensOf(await refresh(server, client, tokens.refresh_token));
      t.is((await introspect(server, next.access_token)).token_version, 1);
    },
  );

  testOnServers(
    `an access token is inactive from the second of its expiry (${format})`,
    async (t, server) => {
      const resourceServer = await makeResourceServer(server, format);
      const client = await makeClient(server.db, { access_token_ttl: 4 });
      const seconds = () => Math.floor(Date.now() / 1000);
      const before = seconds();
      const { tokens } = await signIn(server, { client, form: resourceServer.form });
      const after = seconds();
      t.is(tokens.expires_in, 4);
      // The token was issued between `before` and `after`, and each answer was decided between request and response. The
      // bounds allow a second, since the server estimates the clock of the database.
      await until(async () => {
        const asked = seconds();
        const said = await introspect(server, tokens.access_token);
        if (said.active) {
          t.true(asked <= after + 4, 'it is active only before its expiry');
          return false;
        }
        t.deepEqual(said, inactive);
        t.true(seconds() >= before + 3, 'it is inactive only from its expiry on');
        return true;
      }, 'the token expires');
    },
  );

  testOnServers(`a token of an expired session is inactive (${format})`, async (t, server) => {
    const { client, tokens } = await enter(server, format);
    const absolute_expires_at = new Date(Date.now() - 1);
    await server.db('sessions').where({ id: tokens.session_id }).update({ absolute_expires_at });
    t.deepEqual(await introspect(server, tokens.access_token), inactive);
    t.deepEqual(await introspect(server, tokens.refresh_token, client), inactive);
  });

  testOnServers(
    `a client_credentials token is inactive once its client is removed (${format})`,
    async (t, server) => {
      const { identifier, form } = await makeResourceServer(server, format);
      const client = await makeConfidentialClient(server, {
        grant_types: ['client_credentials'],
        scope: 'orders:read',
        first_party: false,
      });
      const answer = await token(server, { grant_type: 'client_credentials', ...client, ...form });
      const { access_token } = tokensOf(answer);
      const { iat, exp, jti, ...said } = await introspect(server, access_token);
      t.deepEqual(said, {
        active: true,
        iss: server.issuer,
        aud: identifier,
        client_id: client.client_id,
        scope: 'orders:read',
        token_type: 'Bearer',
        // An opaque token has no `sub`; `client_id` names its client.
        ...(format === 'jwt' ? { sub: client.client_id } : {}),
      });
      t.is(Number(exp) - Number(iat), 900);
      t.is(typeof jti, format === 'jwt' ? 'string' : 'undefined');
      await server.db('clients').where({ client_id: client.client_id }).delete();
      t.deepEqual(await introspect(server, access_token), inactive);
    },
  );
}

testOnServers('a refresh token is active only for the client that it was issued to', async (t, server) => {
  const { resourceServer, client, user, tokens } = await enter(server, 'jwt');
  const { iat, exp, ...said } = await introspect(server, tokens.refresh_token, client);
  t.deepEqual(said, {
    active: true,
    iss: server.issuer,
    sub: user.id,
    client_id: client.client_id,
    scope: 'orders:read',
    sid: tokens.session_id,
    token_type: 'refresh_token',
  });
  t.is(Number(exp) - Number(iat), 604_800);
  for (const other of [gateway, resourceServer.client, await makeConfidentialClient(server)]) {
    t.deepEqual(await introspect(server, tokens.refresh_token, other), inactive);
  }
});

testOnServers('a rotated refresh token is inactive, even within its retry window', async (t, server) => {
  const client = await makeConfidentialClient(server, { rotation_profile: 'mobile' });
  const { tokens } = await signIn(server, { client });
  const next = tokensOf(await refresh(server, client, tokens.refresh_token));
  t.deepEqual(await introspect(server, tokens.refresh_token, client), inactive);
  t.is((await introspect(server, next.refresh_token, client)).active, true);
  t.is(
    await isActive(server, tokens.access_token),
    true,
    'the previous access token is not revoked by a refresh',
  );
});

testOnServers('a caller that does not authenticate cannot introspect', async (t, server) => {
  const { client, tokens } = await signIn(server);
  const ask = async (form: Form, headers?: Record<string, string>) =>
    await send(`${server.url}/introspect`, {
      form: { token: tokens.access_token, ...form },
      headers: headers ?? {},
    });
  const refused = { status: 401, error: 'invalid_client' };
  assertRefused(
    t,
    await ask({ client_id: client.client_id }),
    refused,
    'a public client, about its own token',
  );
  assertRefused(t, await ask({ client_id: 'nobody' }), refused);
  assertRefused(t, await ask({ ...gateway, client_secret: 'wrong' }), refused);
  assertRefused(t, await ask({ client_id: gateway.client_id }), refused);
  assertRefused(t, await ask({}), { status: 400, error: 'invalid_request' });
  const bearer = await ask({}, { Authorization: `Bearer ${tokens.access_token}` });
  assertRefused(t, bearer, refused, 'a scheme that is not for clients');
  const { status } = await api(server, 'GET /me', tokens.access_token);
  t.is(status, 200, 'the session is still live');
});

testOnServers('introspection answers JSON, whatever the caller accepts', async (t, server) => {
  const { tokens } = await signIn(server);
  for (const accept of ['text/html', 'image/png', '*/*']) {
    const form = { ...gateway, token: tokens.access_token };
    const answer = await send(`${server.url}/introspect`, { form, headers: { Accept: accept } });
    t.is(answer.body.active, true, accept);
    t.is(answer.headers['content-type'], 'application/json; charset=utf-8');
    t.is(answer.headers['cache-control'], 'no-store');
  }
});

testOnServers('introspection of a string that is no token reveals nothing', async (t, server) => {
  const { tokens } = await signIn(server, { form: { scope: 'openid account' } });
  const [header, claims, signature] = tokens.access_token.split('.');
  const unsigned = `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${claims}.`;
  const values = ['x', 'a.b.c', '\0', '💥', 'x'.repeat(9_000), unsigned, `${header}.${claims}`];
  for (const value of [
    ...values,
    `${header}.${claims}.${signature}A`,
    tokens.id_token ?? '',
    tokens.session_id,
  ]) {
    t.deepEqual(await introspect(server, value), inactive, value.slice(0, 40));
  }
  const nothing = await send(`${server.url}/introspect`, { form: gateway });
  assertRefused(t, nothing, { status: 400, error: 'invalid_request' });
});
