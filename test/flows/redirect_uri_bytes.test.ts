// A client's redirect URIs are used as they were registered, byte for byte (RFC 6749, 3.1.2), with the answer's parameters at the end.
import * as oidc from 'openid-client';
import { getCode, logIn, setUpScene, startRequest } from '../helpers/code_flow.ts';
import { testOnServers } from '../helpers/server.ts';

const uris = [
  'https://app.example/cb?a=%20+b&c=',
  'https://app.example/cb?flag',
  'https://app.example/cb?token=abc==',
  'https://app.example/cb?list=a,b;c&q=%e2%82%ac%2F~!()',
  "https://app.example/cb?quoted='x'",
  'https://app.example/cb?state=mine&code=own&iss=i&error=e',
  'https://app.example/cb?',
  'https://app.example/cb?a=1&',
  'https://app.example?root=1',
  'https://app.example/%7Euser/./cb',
];

testOnServers('the answer is appended to the redirect URI as it was registered', async (t, server) => {
  const scene = await setUpScene(server, { client: { redirect_uris: uris, first_party: true } });
  await getCode(scene, { redirect_uri: uris[0] ?? '' });
  for (const redirect_uri of uris) {
    const joint = redirect_uri.includes('?') ? (/[?&]$/.test(redirect_uri) ? '' : '&') : '?';
    const { url } = await startRequest(scene, { redirect_uri, state: 'a b&c=%20' });
    const page = await scene.ua.open(url.href);
    const location = page.headers.get('location') ?? '';
    t.true(location.startsWith(`${redirect_uri}${joint}code=`), location);
    const added = new URLSearchParams(location.slice(redirect_uri.length));
    t.deepEqual([...added.keys()].filter(Boolean), ['code', 'state', 'iss']);
    t.is(added.get('state'), 'a b&c=%20');

    const failing = await startRequest(scene, {
      redirect_uri,
      prompt: 'none',
      scope: 'openid',
      id_token_hint: 'x',
    });
    const failed = (await scene.ua.open(failing.url.href)).headers.get('location') ?? '';
    t.true(failed.startsWith(`${redirect_uri}${joint}error=`), failed);

    const inFragment = await startRequest(scene, { redirect_uri, response_mode: 'fragment' });
    const third = (await scene.ua.open(inFragment.url.href)).headers.get('location') ?? '';
    t.true(third.startsWith(`${redirect_uri}#code=`), third);

    const inForm = await startRequest(scene, { redirect_uri, response_mode: 'form_post' });
    const { text } = await scene.ua.open(inForm.url.href);
    const [, action = ''] = /action="([^"]*)"/.exec(text) ?? [];
    t.is(action.replaceAll('&amp;', '&').replaceAll('&#39;', "'"), redirect_uri);
  }
});

testOnServers('a code of a redirect URI with a query is exchanged with that very URI', async (t, server) => {
  const scene = await setUpScene(server, { client: { redirect_uris: uris, first_party: true } });
  const { code, code_verifier } = await getCode(scene, { redirect_uri: uris[2] ?? '' });
  const more = { code, code_verifier, redirect_uri: uris[2] ?? '' };
  const tokens = await oidc.genericGrantRequest(scene.config, 'authorization_code', more);
  t.is(typeof tokens.access_token, 'string');
});

testOnServers(
  'after a confirmed sign-out the browser returns to the registered URI as it is',
  async (t, server) => {
    const scene = await setUpScene(server, { client: { post_logout_redirect_uris: uris } });
    for (const [index, uri] of uris.slice(0, 3).entries()) {
      await logIn(scene);
      const state: Record<string, string> = index === 1 ? {} : { state: 's t' };
      const query = new URLSearchParams({
        client_id: scene.client_id,
        post_logout_redirect_uri: uri,
        ...state,
      });
      const page = await scene.ua.open(`${server.url}/logout?${query}`);
      const done = await scene.ua.post(page, '/confirm', { logout: 'yes' });
      t.is(done.headers.get('location'), index === 1 ? uri : `${uri}&state=s+t`);
    }
  },
);
