// The examples as their READMEs start them: a process each, against a real server, with the metadata that they come with.
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { changeUserStatus } from '../src/core/actions/user_status.ts';
import type { NewClient } from '../src/core/clients/client_metadata.ts';
import { createResourceServer } from '../src/core/clients/resource_servers.ts';
import { press, readPart, typeLogin, useWindows } from './browser/windows.ts';
import { makeClient, makeUser } from './helpers/builders.ts';
import { send } from './helpers/client.ts';
import { api, signIn, token, tokensOf } from './helpers/oauth.ts';
import { type TestServer, testOnServers } from './helpers/server.ts';

const openWindow = useWindows();

type T = Parameters<typeof openWindow>[0];

const secret = 'the-secret-of-the-examples-of-these-tests';
const folder = (name: string) => fileURLToPath(new URL(`../examples/${name}/`, import.meta.url));

/** The URL that an example prints once it listens; the process ends with its test. */
async function start(
  t: T,
  server: TestServer,
  name: string,
  more: { CLIENT_ID?: string } = {},
): Promise<string> {
  const env = { PATH: process.env.PATH, ISSUER: server.issuer, CLIENT_SECRET: secret, PORT: '0', ...more };
  const child = spawn(process.execPath, [`${folder(name)}server.ts`], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill());
  for await (const line of createInterface({ input: child.stdout })) return line;
  throw new Error(`${name} ended before it listened`);
}

/** Registers the client of an example, whose addresses name the port of its README. */
async function register(
  server: TestServer,
  name: string,
  origin = '',
  more: Partial<NewClient> = {},
): Promise<NewClient> {
  const text = await readFile(`${folder(name)}client.json`, 'utf8');
  const metadata = JSON.parse(text.replaceAll(/http:\/\/127\.0\.0\.1:\d+/g, origin)) as NewClient;
  const isPublic = metadata.token_endpoint_auth_method === 'none';
  await makeClient(server.db, {
    first_party: false,
    ...metadata,
    ...(isPublic ? {} : { client_secret: secret }),
    ...more,
  });
  return metadata;
}

testOnServers(
  'the resource server reads by keys and deletes by introspection',
  async (t, server) => {
    const { resource_server = '' } = await register(server, 'resource-server');
    const scope = 'notes:read notes:write';
    await createResourceServer(server.db, {
      identifier: resource_server,
      scope,
      access_token_format: 'jwt',
    });
    const url = await start(t, server, 'resource-server');
    const call = async (method: string, token?: string) => {
      const { status, body, headers } = await send(url, { method, ...(token ? { token } : {}) });
      return [status, body, headers['www-authenticate']];
    };
    const resource = resource_server;
    const { user, client, tokens } = await signIn(server, { form: { resource, scope } });
    const own = await signIn(server, { user, client });
    const reader = await signIn(server, { user, client, form: { resource, scope: 'notes:read' } });
    const good = tokens.access_token;
    t.deepEqual(await call('GET', good), [200, { notes: [], of: user.id }, undefined]);
    t.deepEqual(await call('DELETE', good), [200, { deleted: 0, of: user.id }, undefined]);
    const invalid = [401, { error: 'invalid_token' }, 'Bearer error="invalid_token"'];
    for (const method of ['GET', 'DELETE']) {
      t.deepEqual(await call(method), [401, { error: 'missing_token' }, 'Bearer']);
      t.deepEqual(await call(method, 'nonsense'), invalid);
      t.deepEqual(await call(method, own.tokens.access_token), invalid, 'a token for another audience');
    }
    const narrow = [403, { error: 'insufficient_scope' }, 'Bearer error="insufficient_scope"'];
    t.deepEqual(await call('DELETE', reader.tokens.access_token), narrow);
    const rival = { client_id: 'rival', client_secret: secret };
    await makeClient(server.db, {
      ...rival,
      first_party: false,
      token_endpoint_auth_method: 'client_secret_post',
      grant_types: ['client_credentials'],
      resource_server: 'https://rival.example/',
    });
    const machine = (form: object) =>
      token(server, { grant_type: 'client_credentials', ...rival, resource, ...form });
    t.is((await machine({ scope })).body.error, 'invalid_scope', 'another API gets no right here');
    const nothing = tokensOf(await machine({})).access_token;
    for (const method of ['GET', 'DELETE']) t.deepEqual(await call(method, nothing), narrow, method);
    const basic = { headers: { authorization: `Basic ${btoa(`notes-api:${secret}`)}` } };
    const itself = await token(server, { grant_type: 'client_credentials', scope }, basic);
    t.is(itself.body.error, 'unauthorized_client', 'nor this one by itself');
    const ended = await api(server, `DELETE /sessions/${tokens.session_id}`, own.tokens.access_token);
    t.is(ended.status, 204);
    t.deepEqual(await call('DELETE', good), invalid, 'introspection knows at once');
    t.is((await call('GET', good))[0], 200, 'keys know when the token expires');
  },
  ['sqlite'],
);

/** Signs in, refreshes, signs out and is thrown out, at an app that says what it knows in the words of both examples. */
async function useApp(t: T, server: TestServer, page: Page, url: string): Promise<void> {
  const user = await makeUser(server.db);
  await page.goto(url);
  await page.getByText('You are signed out.').waitFor();
  await press(page, 'Sign in');
  await typeLogin(page, user);
  await press(page, 'Allow');
  await page.getByText(`Signed in as ${user.username}, refreshed 0 times.`).waitFor();
  t.is(page.url(), url);
  t.like(JSON.parse(await readPart(page.locator('pre'))), {
    iss: server.issuer,
    sub: user.id,
    preferred_username: user.username,
  });
  await press(page, 'Refresh');
  await page.getByText('refreshed 1 times').waitFor();
  const [session] = await server.db('sessions').where({ user_id: user.id });
  t.like(session, { generation: 1, ended_at: null });
  await press(page, 'Sign out');
  await page.getByText('You are signed out.').waitFor();
  t.is(page.url(), url);
  t.like(await server.db('sessions').where({ user_id: user.id }).first(), { ended_reason: 'logout' });
  await press(page, 'Sign in');
  await typeLogin(page, user);
  await page.getByText(`Signed in as ${user.username}, refreshed 0 times.`).waitFor();
  await changeUserStatus(server.db, user.id, { status: 'disabled', actor: 'admin' });
  await press(page, 'Refresh');
  await page.getByText('You are signed out.').waitFor();
}

testOnServers(
  'the web app signs in, refreshes and signs out, and a denial is no error',
  async (t, server) => {
    const page = await openWindow(t);
    const url = await start(t, server, 'web-app');
    await register(server, 'web-app', new URL(url).origin);
    await useApp(t, server, page, url);
    await press(page, 'Sign in');
    await press(page, 'Back to Web app');
    await page.getByText('You are signed out.').waitFor();
  },
  ['sqlite'],
);

testOnServers(
  'the web app refreshes once when many requests meet an expired access token, so even a strict client stays signed in',
  async (t, server) => {
    const page = await openWindow(t, { javaScriptEnabled: true });
    const client_id = 'strict-web-app';
    const url = await start(t, server, 'web-app', { CLIENT_ID: client_id });
    // Shorter than the time before its expiry in which the app no longer sends a token.
    const strict = { client_id, rotation_profile: 'strict', access_token_ttl: 5 } as const;
    await register(server, 'web-app', new URL(url).origin, strict);
    const user = await makeUser(server.db);
    await page.goto(url);
    await press(page, 'Sign in');
    await typeLogin(page, user);
    await press(page, 'Allow');
    await page.getByText('refreshed 0 times').waitFor();
    await server.db('clients').where({ client_id }).update({ access_token_ttl: 900 });
    const answers: unknown = await page.evaluate(
      async () => await Promise.all(Array.from({ length: 8 }, async () => (await fetch('/me')).status)),
    );
    t.deepEqual(answers, Array(8).fill(200));
    const [session] = await server.db('sessions').where({ user_id: user.id });
    t.like(session, { generation: 1, ended_at: null });
    await Promise.all(
      Array.from(
        { length: 8 },
        async () => await page.evaluate(async () => await fetch('/refresh', { method: 'POST' })),
      ),
    );
    t.is((await server.db('sessions').where({ user_id: user.id }).first())?.ended_at, null);
  },
  ['sqlite'],
);

testOnServers(
  'the single-page app signs in, refreshes and signs out, and a denial is no error',
  async (t, server) => {
    const page = await openWindow(t, { javaScriptEnabled: true });
    const complaints: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    const url = await start(t, server, 'spa');
    await register(server, 'spa', new URL(url).origin);
    await useApp(t, server, page, url);
    const refused = complaints.filter((text) => !text.includes('status of 400'));
    t.deepEqual(refused, [], 'but for the refresh that was to be refused');
    await press(page, 'Sign in');
    await press(page, 'Back to Single-page app');
    await page.getByText('You are signed out.').waitFor();
  },
  ['sqlite'],
);
