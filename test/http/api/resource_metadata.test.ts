// `RESOURCE` is an identifier and need not be a reachable URL (RFC 8707, section 2).
import { granted, send } from '../../helpers/client.ts';
import { api, readJwt, refresh, signIn } from '../../helpers/oauth.ts';
import { testOnOwnServers } from '../../helpers/server.ts';

testOnOwnServers(
  'an audience that is not a URL works',
  { RESOURCE: 'urn:example:api' },
  async (t, server) => {
    const { client, tokens } = await signIn(server, { form: { scope: 'openid account' } });
    t.is(readJwt(tokens.access_token).claims.aud, 'urn:example:api');
    const next = granted(await refresh(server, client, tokens.refresh_token));
    granted(await api(server, 'GET /me', String(next.access_token)));
    const refused = await api(server, 'GET /me');
    t.is(refused.status, 401);
    t.is(
      refused.headers['www-authenticate'],
      `Bearer realm="${server.issuer}"`,
      'there is no document to name',
    );
    t.is((await send(`${server.url}/.well-known/oauth-protected-resource`)).status, 404);
  },
);
