// Error pages: the problem, the app and the address, and the reference for support.
import { send } from '../../helpers/client.ts';
import { callback, logIn, setUpScene, startRequest } from '../../helpers/code_flow.ts';
import { testOnServers } from '../../helpers/server.ts';
import { openUserAgent, textOf } from '../../helpers/user_agent.ts';

const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };

const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');

testOnServers('an error page names the problem, the app and the address', async (t, server) => {
  const ua = openUserAgent(server.url, html);
  const client = { redirect_uris: [callback, `${callback}/2`] };
  const scene = await setUpScene(server, { ua, client });
  const { parameters } = await startRequest(scene);
  const ask = async (change: Record<string, string>) => {
    const query = new URLSearchParams({
      client_id: scene.client_id,
      response_type: 'code',
      ...parameters,
      ...change,
    });
    for (const [name, value] of Object.entries(change)) if (value === '') query.delete(name);
    return await ua.send(`${server.url}/authorize?${query}`);
  };
  const cases: [Record<string, string>, RegExp][] = [
    [
      { redirect_uri: 'https://evil.example/<b>' },
      /This address is not registered.*Reason: The app has not registered the address below\. Address: https:\/\/evil\.example\/<b>.*App Web app/,
    ],
    [
      { redirect_uri: '' },
      /The app did not say where to send you.*Only the developers.*Reason: The request is missing redirect_uri\. /,
    ],
    [{ client_id: '' }, /Reason: The request is missing client_id\./],
    [
      { client_id: 'no-such-app' },
      /Unknown app.*Reason: No app is registered with this client ID\..*App no-such-app/,
    ],
  ];
  for (const [change, expected] of cases) {
    const page = await ask(change);
    const said = textOf(page);
    t.is(page.status, 400, JSON.stringify(change));
    t.regex(said, expected, JSON.stringify(change));
    t.true(said.includes(`Reference ${page.headers.get('x-request-id')}`), said);
    t.false(page.text.includes('<b>'), said);
  }
});

testOnServers('an error page of a sign-out says what is wrong with the request', async (t, server) => {
  const ua = openUserAgent(server.url, html);
  const scene = await setUpScene(server, { ua, client: { post_logout_redirect_uris: [callback] } });
  const { id_token = '' } = await logIn(scene);
  const { client_id } = scene;
  const evil = 'https://evil.example/';
  const cases: [Record<string, string>, RegExp][] = [
    [
      { client_id, post_logout_redirect_uri: evil },
      /We will not send you there.*still signed in.*Reason: The app has not registered the address below\. Address: https:\/\/evil\.example\/ /,
    ],
    [
      { id_token_hint: `${id_token}x`, post_logout_redirect_uri: evil },
      /We could not sign you out.*still signed in.*Reason: The id_token_hint is not an ID token of ours\./,
    ],
    [
      { id_token_hint: 'x' },
      /We could not sign you out.*Reason: The id_token_hint is not an ID token of ours\./,
    ],
    [
      { id_token_hint: `${encode({ alg: 'HS256' })}.${encode({ aud: 'nobody' })}.x` },
      /We could not sign you out.*Reason: The id_token_hint is for an app that is not registered\./,
    ],
    [
      { id_token_hint: id_token, client_id: 'another' },
      /We could not sign you out.*Reason: The client_id and the id_token_hint belong to different apps\./,
    ],
  ];
  for (const [query, expected] of cases) {
    const page = await ua.send(`${server.url}/logout?${new URLSearchParams(query)}`);
    t.deepEqual([page.status, page.location], [400, null]);
    t.regex(textOf(page), expected);
  }
});

testOnServers(
  'a path that does not exist is a page for browsers and JSON for API clients',
  async (t, server) => {
    for (const path of ['/', '/nothing', '/account/nothing', '/.well-known/nothing']) {
      const page = await openUserAgent(server.url, html).send(server.url + path);
      t.is(page.status, 404, path);
      t.regex(textOf(page), /Page not found.*Go to your account/, path);
      t.is(page.headers.get('cache-control'), 'no-store', path);
      for (const accept of ['*/*', 'application/json']) {
        const answer = await send(server.url + path, { headers: { accept } });
        t.is(answer.status, 404, path);
        t.is(answer.body.error, 'not_found', path);
      }
    }
    const api = await send(`${server.url}/api/nothing`, { headers: html });
    t.is(api.body.error, 'not_found');
  },
);
