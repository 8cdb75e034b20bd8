// Signing in at a third-party client in a real Chromium that runs no scripts.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as oidc from 'openid-client';
import type { Page } from 'playwright-core';
import { changeUserStatus } from '../../src/core/actions/user_status.ts';
import { password } from '../helpers/builders.ts';
import { type Scene, setUpScene, startRequest } from '../helpers/code_flow.ts';
import { type TestServer, testOnServers } from '../helpers/server.ts';
import { until } from '../helpers/until.ts';
import { formOf, openUserAgent } from '../helpers/user_agent.ts';
import { heading, press, read, readPart, serve, typeLogin, useWindows } from './windows.ts';

const openWindow = useWindows();

type T = Parameters<typeof openWindow>[0];

/** A client at its own origin, a user, and the window that the client has sent to the login page. */
async function sendToLogin(t: T, server: TestServer, page?: Page, response_mode = '') {
  const redirect_uri = `${await serve(t, '<!doctype html><title>Photo Printer</title>Back')}/callback`;
  const client = { client_name: 'Photo Printer', redirect_uris: [redirect_uri] };
  const scene = await setUpScene(server, { client });
  const started = await startRequest(scene, { redirect_uri, response_mode });
  const window = page ?? (await openWindow(t));
  await window.goto(started.url.href);
  return { scene, window, redirect_uri, ...started };
}

/** The URL with which the browser returned to the client. */
async function comeBack(page: Page, redirect_uri: string): Promise<URL> {
  await page.waitForURL(`${redirect_uri}?*`);
  return new URL(page.url());
}

async function sessionsOf(server: TestServer, { client_id }: Scene): Promise<unknown[]> {
  return await server.db('sessions').where({ client_id });
}

testOnServers(
  'a user signs in at a client, after a wrong password, and is asked for consent once',
  async (t, server) => {
    const { scene, window, redirect_uri, checks } = await sendToLogin(t, server);
    t.is(await window.title(), 'Sign in to continue to Photo Printer – Kindred');
    await typeLogin(window, scene.user, 'not the password');
    t.regex(await read(window), /Wrong username or password/);
    t.is(await window.getByLabel('Username or e-mail').inputValue(), scene.user.username);
    t.is(await window.getByLabel('Password').inputValue(), '');
    await typeLogin(window, { username: 'nobody-of-this-name' });
    t.regex(await read(window), /Wrong username or password/, 'whether or not the user exists');
    await typeLogin(window, scene.user);
    const asked = await read(window);
    t.regex(asked, /Photo Printer would like access/);
    for (const said of ['Confirm who you are', 'See your username', 'See your e-mail address'])
      t.true(asked.includes(said), said);
    await press(window, 'Allow');
    const back = await comeBack(window, redirect_uri);
    const tokens = await oidc.authorizationCodeGrant(scene.config, back, checks);
    t.is(tokens.claims()?.sub, scene.user.id);

    const again = await startRequest(scene, { redirect_uri });
    await window.goto(again.url.href);
    const next = await comeBack(window, redirect_uri);
    t.is(next.searchParams.get('state'), again.checks.expectedState, 'no page the second time');
  },
);

testOnServers(
  'a user who denies access returns to the client with access_denied, and no session is opened',
  async (t, server) => {
    const first = await sendToLogin(t, server);
    await typeLogin(first.window, first.scene.user);
    await press(first.window, 'Deny');
    const denied = await comeBack(first.window, first.redirect_uri);
    t.is(denied.searchParams.get('error'), 'access_denied');
    t.deepEqual(await sessionsOf(server, first.scene), []);

    const second = await sendToLogin(t, server);
    await press(second.window, 'Back to Photo Printer');
    const left = await comeBack(second.window, second.redirect_uri);
    t.is(left.searchParams.get('error'), 'access_denied');
  },
  ['sqlite'],
);

testOnServers(
  'a banned user learns why, but only with the right password',
  async (t, server) => {
    const { scene, window } = await sendToLogin(t, server);
    const status_message = 'You sold tickets that do not exist.';
    await changeUserStatus(server.db, scene.user.id, {
      status: 'banned',
      message: status_message,
      actor: 'admin',
    });
    await typeLogin(window, scene.user, 'not the password');
    const stranger = await read(window);
    t.regex(stranger, /Wrong username or password/);
    t.notRegex(stranger, /banned|tickets/);
    await typeLogin(window, scene.user);
    const owner = await read(window);
    t.regex(owner, /This account is banned/);
    t.true(owner.includes(status_message));
    t.deepEqual(await sessionsOf(server, scene), []);
  },
  ['sqlite'],
);

testOnServers(
  'an expired page explains what happened and what to do next',
  async (t, server) => {
    const { scene, window, url } = await sendToLogin(t, server);
    await window.context().clearCookies();
    await typeLogin(window, scene.user);
    t.is(await heading(window), 'This page has expired');
    t.regex(await read(window), /Go back to the app and start again/);
    await window.getByRole('link', { name: 'Go to your account' }).click();
    t.is(await heading(window), 'Sign in');
    await window.goto(url.href);
    t.is(await heading(window), 'Sign in', 'starting again works');
  },
  ['sqlite'],
);

testOnServers(
  'the back button after a login shows an explanation and not the form again',
  async (t, server) => {
    const { scene, window, redirect_uri } = await sendToLogin(t, server);
    await typeLogin(window, scene.user);
    await press(window, 'Allow');
    await comeBack(window, redirect_uri);
    await window.goBack();
    t.is(await heading(window), 'This page has expired');
    t.regex(await read(window), /back button/);
    await window.getByRole('link', { name: 'Go to your account' }).click();
    t.is(await heading(window), 'Your account', 'still signed in');
  },
  ['sqlite'],
);

testOnServers(
  'the keyboard alone is enough to sign in and to allow',
  async (t, server) => {
    const { scene, window, redirect_uri } = await sendToLogin(t, server);
    const { keyboard } = window;
    await window.locator('#username:focus').waitFor();
    await keyboard.type(scene.user.username);
    await keyboard.press('Tab');
    await window.locator('#password:focus').waitFor();
    await keyboard.type('correct horse battery staple');
    await keyboard.press('Enter');
    await window.getByRole('button', { name: 'Allow' }).waitFor();
    for (const expected of ['Deny', 'Allow']) {
      await keyboard.press('Tab');
      t.is(await readPart(window.locator(':focus')), expected);
    }
    await keyboard.press('Enter');
    const back = await comeBack(window, redirect_uri);
    t.truthy(back.searchParams.get('code'));
  },
  ['sqlite'],
);

testOnServers(
  'a client with response_mode=form_post gets its response, with scripts or without',
  async (t, server) => {
    for (const javaScriptEnabled of [true, false]) {
      const page = await openWindow(t, { javaScriptEnabled });
      const { scene, window, redirect_uri } = await sendToLogin(t, server, page, 'form_post');
      const sent = window.waitForRequest(redirect_uri);
      await typeLogin(window, scene.user);
      await press(window, 'Allow');
      if (!javaScriptEnabled) await press(window, 'Continue');
      const form = new URLSearchParams((await sent).postData() ?? '');
      t.truthy(form.get('code'));
      t.is(form.get('iss'), server.issuer);
      await window.waitForURL(redirect_uri);
    }
  },
  ['sqlite'],
);

testOnServers(
  'a site that hides its origin cannot sign a user in as someone else',
  async (t, server) => {
    const scene = await setUpScene(server);
    const theirs = openUserAgent(server.url);
    const { fields } = formOf(await theirs.open(`${server.url}/account`), '/account/login');
    const typed = { ...fields, username: scene.user.username, password };
    const inputs = Object.entries(typed).map(
      ([name, value]) => `<input type="hidden" name="${name}" value="${value}">`,
    );
    const evil = await serve(
      t,
      `<!doctype html><meta name="referrer" content="no-referrer"><title>Prize</title>
      <form method="post" action="${server.url}/account/login">${inputs.join('')}<button>Win</button></form>`,
    );
    const window = await openWindow(t);
    for (const site of [evil, evil.replace('127.0.0.1', 'localhost')]) {
      await window.goto(site);
      await press(window, 'Win');
      t.is(await heading(window), 'This form came from another site', site);
      await window.goto(`${server.url}/account`);
      t.is(await heading(window), 'Sign in', site);
    }
  },
  ['sqlite'],
);

testOnServers(
  'after a double click on “Sign in” or “Allow” the browser reaches a client that answers slowly',
  async (t, server) => {
    const callbacks: { url: string; answer: () => void }[] = [];
    const client = createServer((request, response) => {
      const answer = () =>
        response.writeHead(200, { 'Content-Type': 'text/html' }).end('<title>App</title>Back');
      if (request.url?.startsWith('/callback')) callbacks.push({ url: request.url, answer });
      else answer();
    });
    await new Promise<void>((resolve) => client.listen(0, '127.0.0.1', resolve));
    t.teardown(() => {
      client.closeAllConnections();
      client.close();
    });
    const origin = `http://127.0.0.1:${(client.address() as AddressInfo).port}`;
    const redirect_uri = `${origin}/callback`;
    for (const [button, first_party] of [
      ['Sign in', true],
      ['Allow', false],
    ] as const) {
      callbacks.length = 0;
      const scene = await setUpScene(server, { client: { redirect_uris: [redirect_uri], first_party } });
      const { url, checks } = await startRequest(scene, { redirect_uri });
      const window = await openWindow(t);
      await window.goto(url.href);
      if (button === 'Allow') await typeLogin(window, scene.user);
      else {
        await window.getByLabel('Username or e-mail').fill(scene.user.username);
        await window.getByLabel('Password').fill(password);
      }
      const box = await window.getByRole('button', { name: button, exact: true }).boundingBox();
      for (const clicks of [1, 2]) {
        // With the mouse, because other ways to click wait for the navigation of the first click.
        await window.mouse.click((box?.x ?? 0) + 5, (box?.y ?? 0) + 5);
        await until(() => callbacks.length >= clicks, `the client is called ${clicks} times`);
      }
      for (const { answer } of callbacks) answer();
      const back = await comeBack(window, redirect_uri);
      for (const at of [new URL(callbacks[0]?.url ?? '', origin), back]) {
        const tokens = await oidc.authorizationCodeGrant(scene.config, at, checks);
        t.is(tokens.claims()?.sub, scene.user.id, `${button} ${at.href}`);
      }
      await window.close();
    }
  },
  ['sqlite'],
);

testOnServers(
  'the login page warns of an unverified app and names its destination before the password is entered',
  async (t, server) => {
    const redirect_uri = `${await serve(t, 'Back')}/callback`;
    const scene = await setUpScene(server, {
      client: { redirect_uris: [redirect_uri], client_name: 'Your Bank' },
    });
    await server.db('clients').where({ client_id: scene.client_id }).update({ registered_by: 'itself' });
    const window = await openWindow(t);
    await window.goto((await startRequest(scene, { redirect_uri })).url.href);
    t.is(await heading(window), 'Sign in');
    t.regex(await read(window), /This app has not been verified\..*this computer \(127\.0\.0\.1:\d+\)/);
    await window.goto(`${server.url}/account`);
    t.notRegex(await read(window), /verified/);
  },
  ['sqlite'],
);

testOnServers(
  'a user who has to confirm a login enters only the password',
  async (t, server) => {
    const { window, scene, redirect_uri } = await sendToLogin(t, server);
    await typeLogin(window, scene.user);
    await window.goto((await startRequest(scene, { prompt: 'login', redirect_uri })).url.href);
    t.is(await heading(window), 'Confirm it’s you');
    t.is(await window.getByLabel('Username or e-mail').inputValue(), scene.user.username);
    t.true(await window.locator('#password:focus').isVisible());
  },
  ['sqlite'],
);
