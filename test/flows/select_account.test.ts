// Choosing an account (`prompt=select_account`) and the age of a login (`max_age`, `default_max_age`).
import * as oidc from 'openid-client';
import { makeUser } from '../helpers/builders.ts';
import {
  answerPages,
  openRequest as ask,
  logIn,
  sentTo,
  setUpScene,
  startRequest,
  typePassword,
} from '../helpers/code_flow.ts';
import { testOnServers } from '../helpers/server.ts';
import { type Page, textOf } from '../helpers/user_agent.ts';

const errorOf = (page: Page) => sentTo(page).searchParams.get('error');

testOnServers(
  'prompt=select_account names the signed-in user, who continues without a password',
  async (t, server) => {
    const scene = await setUpScene(server);
    const first = await logIn(scene);
    const { url, checks } = await startRequest(scene, { prompt: 'select_account' });
    const page = await scene.ua.open(url.href);
    t.regex(
      textOf(page),
      new RegExp(`^Choose an account to continue to Web app Signed in as ${scene.user.username}`),
    );
    const back = sentTo(await scene.ua.submit(page, '/continue'));
    const tokens = await oidc.authorizationCodeGrant(scene.config, back, checks);
    t.deepEqual(
      [tokens.claims()?.sub, tokens.claims()?.auth_time],
      [scene.user.id, first.claims()?.auth_time],
    );
    t.is(errorOf(await ask(scene, { prompt: 'none select_account' })), 'invalid_request');
  },
);

testOnServers('prompt=select_account lets another user sign in', async (t, server) => {
  const scene = await setUpScene(server, { client: { first_party: true } });
  await logIn(scene);
  const other = await makeUser(server.db);
  const { url, checks } = await startRequest(scene, { prompt: 'select_account' });
  const login = await scene.ua.submit(await scene.ua.open(url.href), '/switch');
  t.regex(textOf(login), /^Sign in/);
  const back = await answerPages({ ...scene, user: other }, login);
  const tokens = await oidc.authorizationCodeGrant(scene.config, back, checks);
  t.is(tokens.claims()?.sub, other.id);
});

testOnServers(
  'prompt=select_account is a login where no user is signed in, and together with prompt=login',
  async (t, server) => {
    const scene = await setUpScene(server);
    const login = await ask(scene, { prompt: 'select_account' });
    t.regex(textOf(login), /^Sign in/);
    t.true((await answerPages(scene, login)).searchParams.has('code'));
    const both = await ask(scene, { prompt: 'login select_account' });
    t.regex(textOf(both), /^Confirm it’s you/);
    t.true((await answerPages(scene, both)).searchParams.has('code'), 'the password is enough');
    const consent = await scene.ua.submit(
      await ask(scene, { prompt: 'select_account consent' }),
      '/continue',
    );
    t.regex(textOf(consent), /Web app would like access/);
    t.true((await answerPages(scene, consent)).searchParams.has('code'));
    const { prompt_values_supported } = (await (
      await fetch(`${server.url}/.well-known/openid-configuration`)
    ).json()) as { prompt_values_supported?: unknown };
    t.deepEqual(prompt_values_supported, ['none', 'login', 'consent', 'select_account']);
  },
);

testOnServers(
  'the page of select_account can neither be forged nor used for another prompt',
  async (t, server) => {
    const scene = await setUpScene(server);
    await logIn(scene);
    const page = await ask(scene, { prompt: 'select_account' });
    t.is((await scene.ua.submit(page, '/continue', { csrf: 'x' })).status, 403);
    const login = await ask(scene, { prompt: 'login' });
    const form = login.forms.find(({ action }) => action.endsWith('/login'));
    const body = new URLSearchParams(form?.fields);
    const action = String(form?.action).replace(/login$/, 'continue');
    t.is((await scene.ua.send(action, { method: 'POST', body })).status, 400);
  },
);

testOnServers(
  'max_age asks for a login that is young enough, and refuses what is no age',
  async (t, server) => {
    const scene = await setUpScene(server, { client: { first_party: true } });
    await logIn(scene);
    for (const max_age of ['0', ' 0', '00']) {
      t.regex(textOf(await ask(scene, { max_age })), /Confirm it’s you/, max_age);
      t.is(errorOf(await ask(scene, { max_age, prompt: 'none' })), 'login_required', max_age);
    }
    for (const max_age of ['3600', ' 3600 ', '9007199254740991'])
      t.true(sentTo(await ask(scene, { max_age, prompt: 'none' })).searchParams.has('code'), max_age);
    for (const max_age of ['-1', '1.5', 'abc', '1 2', 'Infinity', '9007199254740992', 'NaN'])
      t.is(errorOf(await ask(scene, { max_age })), 'invalid_request', max_age);
    const { url } = await startRequest(scene);
    t.true(sentTo(await scene.ua.open(`${url.href}&max_age=`)).searchParams.has('code'), 'empty is omitted');
  },
);

testOnServers('a client’s default_max_age holds unless the request says otherwise', async (t, server) => {
  const strict = await setUpScene(server, { client: { first_party: true, default_max_age: 0 } });
  await logIn(strict);
  t.regex(textOf(await ask(strict, {})), /Confirm it’s you/);
  t.is(errorOf(await ask(strict, { prompt: 'none' })), 'login_required');
  t.true(sentTo(await ask(strict, { max_age: '3600', prompt: 'none' })).searchParams.has('code'));
  const again = await typePassword(strict.ua, await ask(strict, {}), strict.user);
  t.true(sentTo(again).searchParams.has('code'));
  const loose = await setUpScene(server, {
    client: { first_party: true, default_max_age: 3600 },
    user: strict.user,
    ua: strict.ua,
  });
  t.true(sentTo(await ask(loose, { prompt: 'none' })).searchParams.has('code'));
});
