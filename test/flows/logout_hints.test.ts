// Signing out at a client with an ID token as the hint: at once where the hint is of this very login, with a question otherwise.
import { decodeJwt } from 'jose';
import * as oidc from 'openid-client';
import { makeUser } from '../helpers/builders.ts';
import { logIn, type Scene, setUpScene, startRequest } from '../helpers/code_flow.ts';
import { api, isActive, signIn } from '../helpers/oauth.ts';
import { type TestServer, testOnOwnServers, testOnServers } from '../helpers/server.ts';
import { until } from '../helpers/until.ts';
import { openUserAgent, type Page, textOf } from '../helpers/user_agent.ts';

const goodbye = 'https://app.example/bye?x=%20&flag&abc==';
const client = { post_logout_redirect_uris: [goodbye] };

const endedOf = async ({ db }: TestServer, { session_id }: { session_id: string }) => {
  const { ended_reason, ended_by } = (await db('sessions').where({ id: session_id }).first()) ?? {};
  return [ended_reason, ended_by];
};

function signOut({ ua, config }: Scene, id_token_hint: string, init?: RequestInit): Promise<Page> {
  const url = oidc.buildEndSessionUrl(config, {
    id_token_hint,
    post_logout_redirect_uri: goodbye,
    state: 's',
  });
  return init ? ua.send(url.href, init) : ua.open(url.href);
}

const isSignedIn = async (scene: Scene) => {
  const { url } = await startRequest(scene, { prompt: 'none' });
  return (await scene.ua.open(url.href)).location?.includes('code=') === true;
};

testOnServers(
  'a hint of this login signs out at once, and the redirect URI stays as it is',
  async (t, server) => {
    const scene = await setUpScene(server, { client });
    const tokens = await logIn(scene);
    const done = await signOut(scene, tokens.id_token ?? '');
    t.deepEqual([done.status, done.headers.get('location')], [303, `${goodbye}&state=s`]);
    t.deepEqual(await endedOf(server, tokens), ['logout', 'user']);
    t.false(await isSignedIn(scene));
    const again = await signOut(scene, tokens.id_token ?? '');
    t.deepEqual([again.status, again.headers.get('location')], [303, `${goodbye}&state=s`], 'a double click');

    const next = await logIn(scene);
    const { href } = oidc.buildEndSessionUrl(scene.config, { id_token_hint: next.id_token ?? '' });
    t.regex(textOf(await scene.ua.open(href)), /You are signed out/, 'without a redirect URI');
  },
);

testOnOwnServers(
  'a hint that has expired is a hint all the same',
  { ACCESS_TOKEN_TTL: '1' },
  async (t, server) => {
    const scene = await setUpScene(server, { client });
    const tokens = await logIn(scene);
    const { exp = Infinity } = decodeJwt(tokens.id_token ?? '');
    await until(() => Date.now() > exp * 1000, 'the ID token has expired');
    t.is((await signOut(scene, tokens.id_token ?? '')).status, 303);
    t.deepEqual(await endedOf(server, tokens), ['logout', 'user']);
  },
);

testOnServers(
  'a hint of another user, another browser or an ended session asks, and ends nothing',
  async (t, server) => {
    const scene = await setUpScene(server, { client });
    const mine = await logIn(scene);
    const other = { ...scene, user: await makeUser(server.db), ua: openUserAgent(server.url) };
    const theirs = await logIn(other);
    const elsewhere = { ...scene, ua: openUserAgent(server.url) };
    const far = await logIn(elsewhere);
    const second = await setUpScene(server, { client, user: scene.user, ua: scene.ua });
    const ended = await logIn(second);
    const me = await signIn(server, { user: scene.user });
    await api(server, `DELETE /sessions/${ended.session_id}`, me.tokens.access_token);

    for (const [whose, tokens, at] of [
      ['another user', theirs, scene],
      ['another browser', far, scene],
      ['an ended session', ended, second],
    ] as const) {
      const page = await signOut(at, tokens.id_token ?? '');
      t.is(page.status, 200, whose);
      t.regex(textOf(page), /Sign out\?/, whose);
    }
    for (const tokens of [mine, theirs, far])
      t.true(await isActive(server, tokens.access_token), 'all go on');
    t.true(await isSignedIn(scene));
  },
);

testOnServers('a prefetch, a prerender or a HEAD request ends no session', async (t, server) => {
  const scene = await setUpScene(server, { client });
  const tokens = await logIn(scene);
  const hint = tokens.id_token ?? '';
  const ahead = await signOut(scene, hint, { headers: { 'sec-purpose': 'prefetch;prerender' } });
  t.regex(textOf(ahead), /Sign out\?/);
  await signOut(scene, hint, { method: 'HEAD' });
  const { href } = oidc.buildEndSessionUrl(scene.config, { id_token_hint: hint });
  await fetch(href, { headers: { 'sec-purpose': 'prefetch' } });
  await fetch(href, { method: 'HEAD' });
  for (const forged of [
    `${hint.slice(0, -8)}AAAAAAAA`,
    'x.y.z',
    `${hint.split('.').slice(0, 2).join('.')}.`,
  ]) {
    const page = await signOut(scene, forged);
    t.deepEqual([page.status, page.location], [400, null]);
  }
  t.true(await isActive(server, tokens.access_token));
  t.true(await isSignedIn(scene));
});

testOnServers(
  'a client’s server that sends the hint without a browser ends that session alone',
  async (t, server) => {
    const scene = await setUpScene(server, { client });
    const tokens = await logIn(scene);
    const sibling = await logIn(await setUpScene(server, { user: scene.user, ua: scene.ua }));
    const url = `${server.url}/logout?${new URLSearchParams({ id_token_hint: tokens.id_token ?? '' })}`;
    const answer = await fetch(url);
    t.is(answer.status, 200);
    t.deepEqual(await endedOf(server, tokens), ['logout', 'client']);
    await t.throwsAsync(oidc.refreshTokenGrant(scene.config, tokens.refresh_token ?? ''));
    t.true(await isActive(server, sibling.access_token));
    t.true(await isSignedIn(scene), 'the browser session is not the client’s to end');
    const posted = await fetch(`${server.url}/logout`, {
      method: 'POST',
      body: new URLSearchParams({ id_token_hint: sibling.id_token ?? '' }),
    });
    t.is(posted.status, 200);
    t.deepEqual(await endedOf(server, sibling), ['logout', 'client'], 'by POST as well');
  },
);
