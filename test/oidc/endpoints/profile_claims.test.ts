// The claims of the scopes `profile` and `email`, in ID tokens, at userinfo and in the metadata.
import * as oidc from 'openid-client';
import { makeUser, updatedAtOf } from '../../helpers/builders.ts';
import { granted, send } from '../../helpers/client.ts';
import { getCode, setUpScene } from '../../helpers/code_flow.ts';
import { testOnServers } from '../../helpers/server.ts';

const profile = {
  name: 'Ada Lovelace',
  given_name: 'Ada',
  family_name: 'Lovelace',
  picture: 'https://pictures.example/ada.png',
  locale: 'de-CH',
  zoneinfo: 'Europe/Zurich',
};

testOnServers(
  'profile and email give the standard claims and a true email_verified, and app to nobody',
  async (t, server) => {
    for (const email_verified of [true, false]) {
      const email = `ada-${email_verified}@x.example`;
      const user = await makeUser(server.db, {
        email,
        email_verified,
        claims: { ...profile, app: { plan: 'team' } },
      });
      const scene = await setUpScene(server, { user });
      const { back, started } = await getCode(scene, { scope: 'openid profile email' });
      const tokens = await oidc.authorizationCodeGrant(scene.config, back, started.checks);
      const userinfo = await oidc.fetchUserInfo(scene.config, tokens.access_token, user.id);
      const expected = {
        ...profile,
        ...{
          sub: user.id,
          preferred_username: user.username,
          updated_at: updatedAtOf(user),
          email,
          email_verified,
        },
      };
      t.deepEqual({ ...userinfo }, expected);
      t.like({ ...tokens.claims() }, expected);
      t.false('app' in (tokens.claims() ?? {}));
    }
  },
);

testOnServers('the metadata name the claims', async (t, server) => {
  const { claims_supported } = granted(await send(`${server.url}/.well-known/openid-configuration`));
  const supported = claims_supported as string[];
  for (const name of [...Object.keys(profile), 'preferred_username', 'updated_at', 'email', 'email_verified'])
    t.true(supported.includes(name), name);
});
