// A stolen browser session that sends requests without a pause. Its requests are in flight when the owner ends it. None of
// them may restore the browser session or open a session that survives.

import { logIn, type Scene, setUpScene, startRequest } from '../helpers/code_flow.ts';
import { api, signIn } from '../helpers/oauth.ts';
import { type TestServer, testOnServers } from '../helpers/server.ts';

/** Parallel requests, and the repetitions of the test. */
const width = 6;
const rounds = 8;

/** Asks for codes until `over`, always with the stolen cookies. */
async function askWithoutEnd({ ua, ...scene }: Scene, over: AbortSignal): Promise<void> {
  const cookie = [...ua.cookies.values()].map(({ name, value }) => `${name}=${value}`).join('; ');
  const ask = async () => {
    while (!over.aborted) {
      const { url } = await startRequest({ ua, ...scene }, { prompt: 'none' });
      await fetch(url, { redirect: 'manual', headers: { cookie } });
    }
  };
  await Promise.all(Array.from({ length: width }, ask));
}

const ways: Record<string, (server: TestServer, me: string, scene: Scene) => Promise<unknown>> = {
  'logging out everywhere': (server, me) => api(server, 'POST /logout', me, { json: { logout_all: true } }),
  'ending that browser': async (server, me) => {
    const { body } = await api(server, 'GET /browser-sessions', me);
    for (const { id } of body.browser_sessions as { id: string }[])
      await api(server, `DELETE /browser-sessions/${id}`, me);
  },
  'withdrawing the consent': (server, me, { client_id }) => api(server, `DELETE /consents/${client_id}`, me),
};

for (const [title, end] of Object.entries(ways)) {
  testOnServers(`a stolen browser with requests in flight is signed out by ${title}`, async (t, server) => {
    const scene = await setUpScene(server);
    for (let round = 0; round < rounds; round += 1) {
      await logIn(scene);
      const { tokens } = await signIn(server, { user: scene.user });
      const over = new AbortController();
      const asking = askWithoutEnd(scene, over.signal);
      await new Promise((resolve) => setTimeout(resolve, 30));
      await end(server, tokens.access_token, scene);
      over.abort();
      await asking;
      const browsers = await server.db('oidc_models').where({ model: 'Session', user_id: scene.user.id });
      const isKept = title === 'withdrawing the consent';
      t.is(browsers.length, isKept ? 1 : 0, `round ${round}: the browser session is back`);
      const live = await server.db('sessions').where({ client_id: scene.client_id }).whereNull('ended_at');
      t.is(live.length, 0, `round ${round}: a session was opened behind it`);
    }
  });
}
