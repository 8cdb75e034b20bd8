// Claims of the profile that clients and resource servers name for their access tokens, from every grant.
import * as oidc from 'openid-client';
import { createResourceServer } from '../../src/core/clients/resource_servers.ts';
import { makeClient, makeUser } from '../helpers/builders.ts';
import { getCode, setUpScene } from '../helpers/code_flow.ts';
import { introspect, login, readJwt, refresh, token, tokensOf } from '../helpers/oauth.ts';
import { makeConfidentialClient } from '../helpers/resources.ts';
import { testOnServers } from '../helpers/server.ts';

const claims = { name: 'Ada', locale: 'de-CH', app: { plan: 'team', limits: { seats: 3 }, empty: null } };
const ofServer = {
  plan: 'app.plan',
  seats: 'app.limits.seats',
  language: 'locale',
  none: 'app.absent.x',
};
const shown = { plan: 'team', seats: 3, language: 'de-CH' };

/** The named claims of a token, of all names in this file. */
function namedOf(all: Record<string, unknown>): Record<string, unknown> {
  const names = [...Object.keys(ofServer), 'display', 'sub_plan'];
  return Object.fromEntries(Object.entries(all).filter(([name]) => names.includes(name)));
}

testOnServers(
  'a resource server gets the claims that it names, in JWTs and by introspection of opaque tokens',
  async (t, server) => {
    const user = await makeUser(server.db, { claims });
    const client = await makeClient(server.db, { claims: { display: 'name' } });
    for (const access_token_format of ['jwt', 'opaque'] as const) {
      const identifier = `https://named.example/${access_token_format}`;
      await createResourceServer(server.db, {
        identifier,
        scope: 'orders:read',
        access_token_format,
        claims: ofServer,
      });
      const form = { resource: identifier, scope: 'orders:read' };
      const first = tokensOf(await login(server, user, client, form));
      const next = tokensOf(await refresh(server, client, first.refresh_token));
      for (const { access_token } of [first, next]) {
        const all = await introspect(server, access_token);
        t.deepEqual(namedOf(all), { ...shown, display: 'Ada' });
        if (access_token_format === 'jwt')
          t.deepEqual(namedOf(readJwt(access_token).claims), { ...shown, display: 'Ada' });
        t.like(all, { sub: user.id, aud: identifier, roles: [], active: true });
      }
      const machine = await makeConfidentialClient(server, {
        scope: 'orders:read',
        grant_types: ['client_credentials'],
        claims: { display: 'name' },
      });
      const own = tokensOf(await token(server, { grant_type: 'client_credentials', ...machine, ...form }));
      t.deepEqual(namedOf(await introspect(server, own.access_token)), {}, 'a machine has no profile');
    }
    const plain = tokensOf(await login(server, user, client));
    t.deepEqual(namedOf(readJwt(plain.access_token).claims), { display: 'Ada' }, 'at another API');
    await server.db('users').where({ id: user.id }).update({ claims: null });
    const after = tokensOf(await refresh(server, client, plain.refresh_token));
    t.deepEqual(namedOf(readJwt(after.access_token).claims), {});
  },
);

testOnServers(
  'a third-party client gets them only while the consent of its user has the scope profile',
  async (t, server) => {
    const identifier = 'https://third.example/orders';
    await createResourceServer(server.db, { identifier, scope: 'orders:read', claims: ofServer });
    const client = { grant_types: ['authorization_code', 'refresh_token'], claims: { display: 'name' } };
    for (const [scope, expected] of [
      ['openid orders:read', {}],
      ['openid profile orders:read', { ...shown, display: 'Ada' }],
    ] as const) {
      const user = await makeUser(server.db, { claims });
      const scene = await setUpScene(server, { client, user });
      const { back, started } = await getCode(scene, { scope, resource: identifier });
      const exchanged = await oidc.authorizationCodeGrant(scene.config, back, started.checks);
      const refreshed = await oidc.refreshTokenGrant(scene.config, exchanged.refresh_token ?? '');
      for (const { access_token } of [exchanged, refreshed])
        t.deepEqual(namedOf(readJwt(access_token).claims), expected, scope);
    }
  },
);
