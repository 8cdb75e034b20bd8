// Attacks on the redirect of an authorization response and on its parameters.

import { callback, publicClient, sentTo, setUpScene, startRequest } from '../helpers/code_flow.ts';
import { testOnServers } from '../helpers/server.ts';
import { textOf } from '../helpers/user_agent.ts';

testOnServers('a response is sent only to the exact redirect URI that is registered', async (t, server) => {
  const scene = await setUpScene(server, { client: publicClient });
  for (const redirect_uri of [
    'https://APP.example/cb',
    'https://app.example/CB',
    'HTTPS://app.example/cb',
    'http://app.example/cb',
    'https://app.example:443/cb',
    'https://app.example:8443/cb',
    'https://app.example/cb/',
    'https://app.example/cb/../cb',
    'https://app.example/x/../cb',
    'https://app.example/cb/..;/evil',
    'https://app.example/%63b',
    'https://app.example/cb%2f..%2fevil',
    'https://app.example/cb%00',
    'https://app.example/cb?',
    'https://app.example/cb?x=1',
    'https://app.example/cb#',
    'https://app.example/cb#x',
    'https://app.example/cb ',
    ' https://app.example/cb',
    'https://app.example@evil.example/cb',
    'https://user@app.example/cb',
    'https://app.example.evil.example/cb',
    'https://evil.app.example/cb',
    'https://evil.example/app.example/cb',
    'https://app.example\\@evil.example/cb',
    'https://app.example\t/cb',
    'https:app.example/cb',
    '//app.example/cb',
    '/cb',
    'javascript:alert(1)//https://app.example/cb',
    'data:text/html,x',
    'https://app.exаmple/cb',
  ]) {
    const { url } = await startRequest(scene, { redirect_uri });
    for (const prompt of ['login', 'none']) {
      url.searchParams.set('prompt', prompt);
      const page = await scene.ua.send(url.href);
      t.deepEqual([page.status, page.location, page.forms], [400, null, []], JSON.stringify(redirect_uri));
    }
  }
  const { url } = await startRequest(scene);
  url.searchParams.append('redirect_uri', 'https://evil.example/cb');
  const twice = await scene.ua.send(url.href);
  t.true(sentTo(twice).href.startsWith(`${callback}?error=invalid_request&`), 'to its only redirect URI');
  const none = await startRequest(scene, { client_id: 'nobody' });
  none.url.searchParams.set('client_id', 'nobody');
  const unknown = await scene.ua.send(none.url.href);
  t.deepEqual([unknown.status, unknown.location], [400, null]);
});

testOnServers('parameters of a request break neither headers nor pages', async (t, server) => {
  const scene = await setUpScene(server);
  const state = 'a\r\nSet-Cookie: evil=1\r\n\r\n<script>alert(1)</script>"\'';
  const { url } = await startRequest(scene, { state, prompt: 'none' });
  const page = await scene.ua.send(url.href);
  t.is(page.headers.get('set-cookie')?.includes('evil') ?? false, false);
  t.is(sentTo(page).searchParams.get('state'), state);
  const inForm = await startRequest(scene, { state, prompt: 'none', response_mode: 'form_post' });
  const posted = await scene.ua.send(inForm.url.href);
  t.false(posted.text.includes('<script>alert'));
  t.is(posted.forms[0]?.fields.state, state);
  for (const [name, value] of Object.entries({
    response_mode: state,
    scope: state,
    prompt: state,
    max_age: state,
  })) {
    const { url: odd } = await startRequest(scene, { [name]: value });
    const answer = await scene.ua.send(odd.href);
    t.true([303, 400].includes(answer.status), `${name}: ${answer.status}`);
    t.false(answer.text.includes('<script>alert'), name);
    t.notRegex(textOf(answer), /Something went wrong on our side/, name);
  }
});
