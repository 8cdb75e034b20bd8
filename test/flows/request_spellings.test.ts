// Requests as clients write them: white space, empty members and unknown parameters are no errors (RFC 6749, 3.1); repeated ones are.
import * as oidc from 'openid-client';
import { logIn, type Scene, sentTo, setUpScene, startRequest } from '../helpers/code_flow.ts';
import { testOnServers } from '../helpers/server.ts';
import { textOf } from '../helpers/user_agent.ts';

/** The answer to a request of a signed-in user whose query is changed by `change`. */
async function ask(scene: Scene, change: (query: URLSearchParams) => void) {
  const { url } = await startRequest(scene, { prompt: 'none' });
  change(url.searchParams);
  return sentTo(await scene.ua.open(url.href)).searchParams;
}

testOnServers('an authorization request is read as it was meant', async (t, server) => {
  const scene = await setUpScene(server, { client: { first_party: true } });
  await logIn(scene);
  const changes: Record<string, (query: URLSearchParams) => void> = {
    'a scope with spaces around and between': (query) => query.set('scope', '  openid   profile '),
    'a scope with a line break': (query) => query.set('scope', 'openid\nprofile\r\n'),
    'a scope twice in the list': (query) => query.set('scope', 'openid openid profile'),
    'a response_type with a space': (query) => query.set('response_type', ' code '),
    'a prompt with a space': (query) => query.set('prompt', 'none '),
    'a challenge with a line break': (query) =>
      query.set('code_challenge', `${query.get('code_challenge')}\n`),
    'empty members': (query) => {
      for (const name of ['login_hint', 'max_age', 'ui_locales', 'response_mode', 'acr_values', 'request'])
        query.set(name, '');
    },
    'a list of spaces': (query) => query.set('acr_values', '  '),
    'a member that comes twice but once without value': (query) => query.append('scope', ''),
    'unknown members, also twice': (query) => {
      query.append('access_type', 'offline');
      query.append('approval_prompt', 'auto');
      query.append('approval_prompt', 'force');
    },
  };
  for (const [title, change] of Object.entries(changes)) {
    const answer = await ask(scene, change);
    t.true(answer.has('code'), `${title}: ${answer}`);
  }
  const state = await ask(scene, (query) => query.set('state', '  a  b '));
  t.is(state.get('state'), '  a  b ', 'the state belongs to the client');
  for (const [name, value] of [
    ['scope', 'openid'],
    ['state', 'x'],
    ['response_type', 'code'],
  ] as const) {
    const answer = await ask(scene, (query) => query.append(name, value));
    t.is(answer.get('error'), 'invalid_request', name);
    t.regex(
      answer.get('error_description') ?? '',
      new RegExp(`'${name}' parameter must not be provided twice`),
    );
  }
});

testOnServers('a sign-out and a pushed request are read as they were meant', async (t, server) => {
  const goodbye = 'https://app.example/bye';
  const scene = await setUpScene(server, {
    client: { first_party: true, post_logout_redirect_uris: [goodbye] },
  });
  const { parameters, checks } = await startRequest(scene, { scope: ' openid  profile ' });
  const url = await oidc.buildAuthorizationUrlWithPAR(scene.config, parameters);
  const login = await scene.ua.open(url.href);
  t.regex(textOf(login), /^Sign in/);
  t.is(typeof checks.pkceCodeVerifier, 'string');
  const tokens = await logIn(scene);
  const query = new URLSearchParams({
    id_token_hint: ` ${tokens.id_token}\n`,
    post_logout_redirect_uri: goodbye,
    ui_locales: '',
    state: ' s ',
    unknown: 'x',
  });
  const done = await scene.ua.open(`${server.url}/logout?${query}&post_logout_redirect_uri=`);
  t.is(done.headers.get('location'), `${goodbye}?state=+s+`);
});
