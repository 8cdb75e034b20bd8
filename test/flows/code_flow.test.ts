// The code flow with openid-client: client authentication, response modes, prompts, claims.
import type { ExecutionContext } from 'ava';
import * as oidc from 'openid-client';
import { makeUser, updatedAtOf } from '../helpers/builders.ts';
import {
  answerPages,
  callback,
  logIn,
  publicClient,
  secret,
  sentTo,
  setUpScene,
  startRequest,
} from '../helpers/code_flow.ts';
import { makeKey } from '../helpers/dpop.ts';
import { introspect } from '../helpers/oauth.ts';
import { testOnServers } from '../helpers/server.ts';
import { formOf, openUserAgent, textOf } from '../helpers/user_agent.ts';

const claimsOf = (tokens: oidc.TokenEndpointResponseHelpers): Record<string, unknown> => ({
  ...tokens.claims(),
});

const errorOf = (url: URL) => url.searchParams.get('error');

/** The error, state and issuer in a redirect. */
function assertDenied(t: ExecutionContext, url: URL, expected: Record<string, string>): void {
  const { error_description: _, ...said } = Object.fromEntries(url.searchParams);
  t.deepEqual([url.origin + url.pathname, said], [callback, expected]);
}

testOnServers('a public client gets tokens for a user who signs in and allows it', async (t, server) => {
  const user = await makeUser(server.db, { email: `${server.store}@flows.example` });
  const scene = await setUpScene(server, { client: publicClient, user });
  const tokens = await logIn(scene);
  const claimsOfUser = {
    preferred_username: user.username,
    updated_at: updatedAtOf(user),
    email: user.email,
    email_verified: false,
  };
  const { exp: _, at_hash: _hash, nonce: _nonce, iat, auth_time, ...claims } = claimsOf(tokens);
  t.deepEqual(claims, {
    iss: server.issuer,
    sub: user.id,
    aud: scene.client_id,
    acr: 'urn:kindred:acr:password',
    amr: ['pwd'],
    sid: tokens.session_id,
    ...claimsOfUser,
  });
  t.true(Math.abs(Number(auth_time) - Number(iat)) < 300);
  t.deepEqual(await oidc.fetchUserInfo(scene.config, tokens.access_token, user.id), {
    sub: user.id,
    ...claimsOfUser,
  });
  const next = await oidc.refreshTokenGrant(scene.config, tokens.refresh_token ?? '');
  const later = next.claims();
  t.deepEqual([later?.sub, later?.sid, later?.auth_time as unknown], [user.id, tokens.session_id, auth_time]);
  t.like(await introspect(server, next.access_token), {
    active: true,
    sub: user.id,
    sid: tokens.session_id,
    scope: 'openid profile email',
  });
});

testOnServers(
  'client_secret_basic, client_secret_post and private_key_jwt all succeed',
  async (t, server) => {
    const { publicKey, privateKey } = await makeKey();
    const jwk = {
      ...(await crypto.subtle.exportKey('jwk', publicKey)),
      kid: 'mine',
      alg: 'ES256',
      use: 'sig',
    };
    const kinds = [
      { token_endpoint_auth_method: 'client_secret_basic', auth: oidc.ClientSecretBasic(secret) },
      { token_endpoint_auth_method: 'client_secret_post', auth: oidc.ClientSecretPost(secret) },
      {
        token_endpoint_auth_method: 'private_key_jwt',
        auth: oidc.PrivateKeyJwt({ key: privateKey, kid: 'mine' }),
        token_endpoint_auth_signing_alg: 'ES256',
        jwks: { keys: [jwk] },
      },
    ] as const;
    for (const { auth, ...client } of kinds) {
      const given =
        client.token_endpoint_auth_method === 'private_key_jwt' ? { client_secret: undefined } : {};
      const scene = await setUpScene(server, { client: { ...client, ...given } as never, auth });
      const tokens = await logIn(scene);
      t.is(tokens.claims()?.sub, scene.user.id, client.token_endpoint_auth_method);
      await oidc.refreshTokenGrant(scene.config, tokens.refresh_token ?? '');
    }
  },
);

testOnServers(
  'the authorization response names its issuer, in the query and in a form',
  async (t, server) => {
    const scene = await setUpScene(server);
    const inQuery = await startRequest(scene, { response_mode: 'query', state: 'in the query' });
    const back = await answerPages(scene, await scene.ua.open(inQuery.url.href));
    const { code, ...said } = Object.fromEntries(back.searchParams);
    t.deepEqual(said, { state: 'in the query', iss: server.issuer });
    t.regex(code ?? '', /^[\w-]{40,}$/);

    const inForm = await startRequest(scene, { response_mode: 'form_post' });
    const page = await scene.ua.open(inForm.url.href);
    const { fields } = formOf(page, '/cb');
    t.deepEqual([fields.state, fields.iss], [inForm.checks.expectedState, server.issuer]);
    t.is(page.headers.get('cache-control'), 'no-store');
    const posted = new Request(callback, { method: 'POST', body: new URLSearchParams(fields) });
    const tokens = await oidc.authorizationCodeGrant(scene.config, posted, inForm.checks);
    t.is(tokens.claims()?.sub, scene.user.id);
  },
);

testOnServers(
  'prompt=none answers at once, with a code or with the error that says what is missing',
  async (t, server) => {
    const scene = await setUpScene(server);
    const silent = async (more = {}) => {
      const { url, checks } = await startRequest(scene, { prompt: 'none', ...more });
      return { back: sentTo(await scene.ua.open(url.href)), checks };
    };
    const denied = async (error: string) => {
      const { back, checks } = await silent();
      assertDenied(t, back, { error, state: checks.expectedState, iss: server.issuer });
    };
    await denied('login_required');
    const { url } = await startRequest(scene);
    const { ua, user } = scene;
    const consent = await ua.submit(await ua.open(url.href), '/login', {
      username: user.username,
      password: 'wrong',
    });
    t.is(consent.status, 403);
    await answerPages(scene, consent);
    const { back, checks } = await silent();
    const tokens = await oidc.authorizationCodeGrant(scene.config, back, checks);
    t.is(tokens.claims()?.sub, user.id);

    const other = await setUpScene(server, { ua, user });
    const asked = await startRequest(other, { prompt: 'none' });
    const refused = sentTo(await ua.open(asked.url.href));
    t.is(errorOf(refused), 'consent_required');
    const live = await server.db('sessions').where({ client_id: other.client_id });
    t.deepEqual(live, [], 'a silent request that fails leaves no session');
  },
);

testOnServers('prompt=login and max_age ask for the password again', async (t, server) => {
  const scene = await setUpScene(server);
  const first = await logIn(scene);
  const cookie = scene.ua.cookies.get('kindred_session;/')?.value;
  await new Promise((resolve) => setTimeout(resolve, 1100));
  const again: Record<string, string>[] = [{ prompt: 'login' }, { max_age: '0' }];
  for (const more of again) {
    const { url, checks } = await startRequest(scene, more);
    const page = await scene.ua.open(url.href);
    t.regex(textOf(page), /Confirm it’s you/);
    const back = await answerPages(scene, page);
    const tokens = await oidc.authorizationCodeGrant(scene.config, back, {
      ...checks,
      ...('max_age' in more ? { maxAge: 0 } : {}),
    });
    t.true(Number(tokens.claims()?.auth_time) > Number(first.claims()?.auth_time));
  }
  t.not(scene.ua.cookies.get('kindred_session;/')?.value, cookie);
  const { url, checks } = await startRequest(scene, { max_age: '3600' });
  const back = sentTo(await scene.ua.open(url.href));
  const tokens = await oidc.authorizationCodeGrant(scene.config, back, { ...checks, maxAge: 3600 });
  t.is(tokens.claims()?.sub, scene.user.id, 'the login is young enough: no page');
});

testOnServers('prompt=consent shows the page again, and acr_values is answered', async (t, server) => {
  const scene = await setUpScene(server);
  await logIn(scene);
  const { url } = await startRequest(scene, { prompt: 'consent' });
  t.regex(textOf(await scene.ua.open(url.href)), /Web app would like access/);
  const tokens = await logIn(scene, { acr_values: 'urn:kindred:acr:password' });
  t.is(tokens.claims()?.acr, 'urn:kindred:acr:password');
});

testOnServers('login_hint fills the form, and another user can still sign in', async (t, server) => {
  const scene = await setUpScene(server);
  const { url } = await startRequest(scene, { login_hint: 'ada"><b>@example.test' });
  const page = await openUserAgent(server.url).open(url.href);
  t.true(page.text.includes('value="ada&quot;&gt;&lt;b&gt;@example.test"'));
});
