// The audience of tokens when a request names no resource.
import * as oidc from 'openid-client';
import { makeClient, makeUser } from '../../helpers/builders.ts';
import { callback, discover, logIn } from '../../helpers/code_flow.ts';
import { introspect, login, readJwt, refresh, token, tokensOf } from '../../helpers/oauth.ts';
import { makeConfidentialClient, makeResourceServer } from '../../helpers/resources.ts';
import { testOnServers } from '../../helpers/server.ts';
import { openUserAgent } from '../../helpers/user_agent.ts';

testOnServers(
  'client_credentials without resource gets a token for the client’s default resource',
  async (t, server) => {
    const orders = await makeResourceServer(server);
    const scope = 'orders:read';
    const machine = await makeConfidentialClient(server, {
      first_party: false,
      grant_types: ['client_credentials'],
      default_resource: orders.identifier,
      scope,
    });
    const { access_token } = tokensOf(
      await token(server, { grant_type: 'client_credentials', ...machine, scope }),
    );
    t.like(readJwt(access_token).claims, { aud: orders.identifier, scope });
    t.is((await introspect(server, access_token, orders.client)).active, true);
  },
);

testOnServers('a login without resource gets tokens for the client’s default resource', async (t, server) => {
  const orders = await makeResourceServer(server);
  const user = await makeUser(server.db);
  const client = await makeClient(server.db, { default_resource: orders.identifier });
  const tokens = tokensOf(await login(server, user, client, { scope: 'orders:read' }));
  t.is(readJwt(tokens.access_token).claims.aud, orders.identifier);
  const again = tokensOf(await refresh(server, client, tokens.refresh_token));
  t.is(readJwt(again.access_token).claims.aud, orders.identifier);
  const named = { resource: `${server.issuer}/api`, scope: 'account' };
  const own = tokensOf(await login(server, user, client, named));
  t.is(readJwt(own.access_token).claims.aud, named.resource, 'a named resource takes precedence');
  const both = { resource: [`${server.issuer}/api`, orders.identifier], scope: 'account orders:read' };
  const several = tokensOf(await login(server, user, client, both));
  t.is(
    readJwt(several.access_token).claims.aud,
    orders.identifier,
    'of several named ones the default resource is chosen',
  );
  const meant = tokensOf(await login(server, user, client, { scope: 'account' }));
  t.is(readJwt(meant.access_token).claims.aud, named.resource, 'a scope that only one API has means it');
  const ours = await makeClient(server.db, { default_resource: `${server.issuer}/api` });
  const { access_token } = tokensOf(await login(server, user, ours));
  t.is(readJwt(access_token).claims.aud, `${server.issuer}/api`);
});

testOnServers(
  'a code flow without resource gets tokens for the client’s default resource',
  async (t, server) => {
    const orders = await makeResourceServer(server);
    const client_id = (
      await makeClient(server.db, {
        redirect_uris: [callback],
        default_resource: orders.identifier,
        application_type: 'web',
      })
    ).client_id;
    const config = await discover(server, client_id, oidc.None());
    const user = await makeUser(server.db);
    const scene = { server, config, client_id, user, ua: openUserAgent(server.url) };
    const tokens = await logIn(scene, { scope: 'openid orders:read' });
    t.like(readJwt(tokens.access_token).claims, { aud: orders.identifier, scope: 'orders:read' });
  },
);
