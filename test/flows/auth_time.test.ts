// The auth_time of ID tokens.
import * as oidc from 'openid-client';
import { sentTo, setUpScene, startRequest, typePassword } from '../helpers/code_flow.ts';
import { testOnServers } from '../helpers/server.ts';
import { until } from '../helpers/until.ts';

testOnServers(
  'auth_time is the time of the password, however long the consent page was open',
  async (t, server) => {
    const scene = await setUpScene(server);
    const started = await startRequest(scene, { max_age: '3600' });
    const before = Math.floor(Date.now() / 1000);
    const consent = await typePassword(scene.ua, await scene.ua.open(started.url.href), scene.user);
    const typed = Math.floor(Date.now() / 1000);
    await until(() => Math.floor(Date.now() / 1000) >= typed + 2, 'two seconds go by');
    const back = sentTo(await scene.ua.submit(consent, '/consent', { decision: 'allow' }));
    const tokens = await oidc.authorizationCodeGrant(scene.config, back, { ...started.checks, maxAge: 3600 });
    const auth_time = Number(tokens.claims()?.auth_time);
    t.true(auth_time >= before && auth_time <= typed, `${before} <= ${auth_time} <= ${typed}`);
  },
);
