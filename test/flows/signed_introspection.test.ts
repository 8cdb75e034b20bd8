// Signed introspection responses (RFC 9701), with openid-client.
import { jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import { discover, logIn, setUpScene } from '../helpers/code_flow.ts';
import { keySetOf } from '../helpers/oauth.ts';
import { makeResourceServer } from '../helpers/resources.ts';
import { testOnServers } from '../helpers/server.ts';

const mediaType = 'application/token-introspection+jwt';

for (const format of ['jwt', 'opaque'] as const) {
  testOnServers(
    `the introspection answer about a token that is ${format} is signed for its caller`,
    async (t, server) => {
      const orders = await makeResourceServer(server, format);
      const scene = await setUpScene(server);
      const tokens = await logIn(scene, { scope: 'openid orders:read', resource: orders.identifier });
      t.is(tokens.access_token.split('.').length === 3, format === 'jwt');
      const { client_id, client_secret } = orders.client;
      const ask = async (token: string) => {
        const answer = await fetch(`${server.url}/introspect`, {
          method: 'POST',
          headers: { accept: mediaType },
          body: new URLSearchParams({ client_id, client_secret, token }),
        });
        t.regex(answer.headers.get('content-type') ?? '', new RegExp(`^${mediaType.replace('+', '\\+')}`));
        const { payload } = await jwtVerify(await answer.text(), keySetOf(server), {
          issuer: server.issuer,
          audience: client_id,
          typ: 'token-introspection+jwt',
        });
        return payload.token_introspection as Record<string, unknown>;
      };
      t.like(await ask(tokens.access_token), {
        active: true,
        sub: scene.user.id,
        aud: orders.identifier,
        scope: 'orders:read',
        client_id: scene.client_id,
        sid: tokens.session_id,
      });
      const config = await discover(server, client_id, oidc.ClientSecretPost(client_secret));
      t.like(await oidc.tokenIntrospection(config, tokens.access_token), {
        active: true,
        sub: scene.user.id,
      });
      await oidc.tokenRevocation(scene.config, tokens.refresh_token ?? '');
      t.deepEqual(await ask(tokens.access_token), { active: false });
      t.deepEqual(await ask('nonsense'), { active: false });
    },
  );
}
