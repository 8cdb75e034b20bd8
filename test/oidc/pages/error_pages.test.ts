// Error pages: the problem, the app and the address, and the reference for support.
import { send } from '../../helpers/client.ts';
import { setUpScene, startRequest } from '../../helpers/code_flow.ts';
import { testOnServers } from '../../helpers/server.ts';
import { openUserAgent, textOf } from '../../helpers/user_agent.ts';

const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };

testOnServers('an error page names the problem, the app and the address', async (t, server) => {
  const ua = openUserAgent(server.url, html);
  const scene = await setUpScene(server, { ua });
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
