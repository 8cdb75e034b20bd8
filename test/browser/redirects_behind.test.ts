// What a client does behind its redirect URI, in a real Chromium: the browser arrives, wherever it is redirected; and a form that
// another site posts to us keeps the browser session.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setUpScene, startRequest } from '../helpers/code_flow.ts';
import { testOnServers } from '../helpers/server.ts';
import { press, serve, typeLogin, useWindows } from './windows.ts';

const openWindow = useWindows();

type T = Parameters<typeof openWindow>[0];

/** A server that redirects every request to `to`; returns its origin. */
async function serveRedirect(t: T, to: string): Promise<string> {
  const server = createServer((_request, response) => response.writeHead(302, { location: to }).end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

testOnServers(
  'the browser arrives where the client redirects it: after login, consent and sign-out, with scripts or without',
  async (t, server) => {
    for (const javaScriptEnabled of [true, false]) {
      const app = (await serve(t, 'The app')).replace('127.0.0.1', 'localhost');
      const hop = await serveRedirect(t, `${app}/home`);
      const redirect_uri = `${hop}/callback`;
      const client = { redirect_uris: [redirect_uri], post_logout_redirect_uris: [`${hop}/bye`] };
      const scene = await setUpScene(server, { client });
      const window = await openWindow(t, { javaScriptEnabled });
      const asked = await startRequest(scene, { redirect_uri });
      await window.goto(asked.url.href);
      await typeLogin(window, scene.user);
      await press(window, 'Allow');
      await window.waitForURL(`${app}/home`);

      const again = await startRequest(scene, { redirect_uri, prompt: 'login' });
      await window.goto(again.url.href);
      await typeLogin(window, scene.user);
      await window.waitForURL(`${app}/home`);

      const query = new URLSearchParams({
        client_id: scene.client_id,
        post_logout_redirect_uri: `${hop}/bye`,
      });
      await window.goto(`${server.url}/logout?${query}`);
      await press(window, 'Sign out');
      await window.waitForURL(`${app}/home`);
      t.like(await server.db('sessions').where({ client_id: scene.client_id }).first(), {
        ended_reason: 'logout',
      });

      const inForm = await startRequest(scene, { redirect_uri, response_mode: 'form_post' });
      await window.goto(inForm.url.href);
      await typeLogin(window, scene.user);
      if (!javaScriptEnabled) await press(window, 'Continue');
      await window.waitForURL(`${app}/home`);
    }
  },
  ['sqlite'],
);

testOnServers(
  'a form that another site posts to /authorize or /logout finds the browser session, short or long',
  async (t, server) => {
    const back = `${await serve(t, 'Back')}/callback`;
    const scene = await setUpScene(server, { client: { redirect_uris: [back], first_party: true } });
    const window = await openWindow(t);
    await window.goto(`${server.url}/account`);
    await typeLogin(window, scene.user);
    await window.getByText('Signed in as').first().waitFor();
    for (const state of ['short', 'x'.repeat(5_000)]) {
      const { url } = await startRequest(scene, { redirect_uri: back, prompt: 'none', state });
      const fields = [...url.searchParams].map(
        ([name, value]) => `<input type="hidden" name="${name}" value="${value}">`,
      );
      const action = `${server.url}/authorize`;
      const site = await serve(
        t,
        `<form method="post" action="${action}">${fields.join('')}<button>Go</button></form>`,
      );
      await window.goto(site.replace('127.0.0.1', 'localhost'));
      await press(window, 'Go');
      await window.waitForURL(`${back}?code=*`);
      t.is(new URL(window.url()).searchParams.get('state'), state);
    }
  },
  ['sqlite'],
);
