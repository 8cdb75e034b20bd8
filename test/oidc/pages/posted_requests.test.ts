// Authorization and logout requests by POST: the redirect to GET, the requests that are kept for a minute, and what is refused.
import { digest } from '../../../src/lib/crypto.ts';
import { send } from '../../helpers/client.ts';
import { answerPages, logIn, type Scene, sentTo, setUpScene, startRequest } from '../../helpers/code_flow.ts';
import { type TestServer, testOnOwnServers, testOnServers } from '../../helpers/server.ts';
import { type Page, textOf } from '../../helpers/user_agent.ts';

type Parameters = Record<string, string>;

async function postForm({ ua, server }: Scene, path: string, form: Parameters): Promise<Page> {
  return await ua.send(`${server.url}${path}`, { method: 'POST', body: new URLSearchParams(form) });
}

/** The parameters of an authorization request as a form. */
async function formOfRequest(scene: Scene, more: Parameters = {}): Promise<Parameters> {
  const { url } = await startRequest(scene, more);
  return Object.fromEntries(url.searchParams);
}

const records = (server: TestServer) => server.db('oidc_models').where({ model: 'PostedRequest' });

testOnServers(
  'a posted authorization request is redirected to the same request by GET, and logs in',
  async (t, server) => {
    const scene = await setUpScene(server);
    const form = await formOfRequest(scene, { state: 'a b&c=d+e%20ü\r\nX: y' });
    const page = await postForm(scene, '/authorize', form);
    t.is(page.status, 303);
    t.is(page.headers.get('cache-control'), 'no-store');
    const { pathname, searchParams } = sentTo(page);
    t.is(pathname, '/authorize');
    t.deepEqual(Object.fromEntries(searchParams), form);
    const back = await answerPages(scene, await scene.ua.open(sentTo(page).href));
    t.deepEqual([...back.searchParams.keys()], ['code', 'state', 'iss']);
    t.is(back.searchParams.get('state'), form.state ?? '');

    const named = await postForm(scene, '/authorize', { ...form, posted_request: 'x' });
    t.is(sentTo(named).href, sentTo(page).href, 'a form cannot name a kept request');

    const silent = await postForm(scene, '/authorize', await formOfRequest(scene, { prompt: 'none' }));
    const code = sentTo(await scene.ua.open(sentTo(silent).href)).searchParams.get('code');
    t.is(typeof code, 'string', 'the browser session is used');
  },
);

testOnServers('a posted logout request is redirected to the same request by GET', async (t, server) => {
  const scene = await setUpScene(server);
  const { id_token = '' } = await logIn(scene);
  const page = await postForm(scene, '/logout', { id_token_hint: id_token, state: 's' });
  t.is(page.status, 303);
  t.is(sentTo(page).href, `${server.url}/logout?id_token_hint=${id_token}&state=s`);
});

testOnServers(
  'a request that is too long for a URL is kept sealed for a minute and used once',
  async (t, server) => {
    const scene = await setUpScene(server);
    const state = 'x'.repeat(9_000);
    const form = await formOfRequest(scene, { state });
    const page = await postForm(scene, '/authorize', form);
    const { pathname, searchParams } = sentTo(page);
    t.deepEqual([page.status, pathname, [...searchParams.keys()]], [303, '/authorize', ['posted_request']]);
    const handle = searchParams.get('posted_request') ?? '';
    const record = await records(server).where({ id: digest(handle) });
    t.is(record.length, 1);
    t.false(JSON.stringify(record).includes(state.slice(0, 40)));
    const lives = (record[0]?.expires_at?.getTime() ?? 0) - Date.now();
    t.true(lives <= 60_000, `${lives} ms`);

    const login = await scene.ua.open(sentTo(page).href);
    const back = await answerPages(scene, login);
    t.is(back.searchParams.get('state'), state);
    const again = await scene.ua.open(sentTo(page).href);
    t.is(again.status, 400);
    t.regex(textOf(again), /This page has expired/);
    const elsewhere = sentTo(await postForm(scene, '/authorize', form));
    elsewhere.pathname = '/logout';
    t.is((await scene.ua.open(elsewhere.href)).status, 400, 'a request belongs to its endpoint');
    const late = sentTo(await postForm(scene, '/authorize', form));
    const kept = { id: digest(late.searchParams.get('posted_request') ?? '') };
    await records(server)
      .where(kept)
      .update({ expires_at: new Date(Date.now() - 1) });
    t.is((await scene.ua.open(late.href)).status, 400);
  },
);

testOnServers('of four browsers that use one kept request at once, one goes on', async (t, server) => {
  const scene = await setUpScene(server);
  const page = await postForm(scene, '/authorize', await formOfRequest(scene, { state: 'x'.repeat(3_000) }));
  const { href } = sentTo(page);
  const answers = await Promise.all(Array.from({ length: 4 }, () => send(href)));
  t.deepEqual(answers.map(({ status }) => status).toSorted(), [303, 400, 400, 400]);
});

testOnServers(
  'a posted request is never a pushed request: a client that must push is refused, short or long',
  async (t, server) => {
    const scene = await setUpScene(server, { client: { require_pushed_authorization_requests: true } });
    for (const state of ['short', 'x'.repeat(3_000)]) {
      const page = await postForm(scene, '/authorize', await formOfRequest(scene, { state }));
      const { searchParams } = sentTo(await scene.ua.open(sentTo(page).href));
      t.is(searchParams.get('error'), 'invalid_request');
      t.regex(searchParams.get('error_description') ?? '', /Pushed Authorization Request/i);
    }
    const page = await postForm(
      scene,
      '/authorize',
      await formOfRequest(scene, { state: 'x'.repeat(3_000) }),
    );
    const handle = sentTo(page).searchParams.get('posted_request') ?? '';
    const request_uri = `urn:ietf:params:oauth:request_uri:${handle}`;
    const { client_id } = scene;
    const query = new URLSearchParams({ client_id, request_uri });
    const answer = await scene.ua.open(`${server.url}/authorize?${query}`);
    t.is(sentTo(answer).searchParams.get('error'), 'invalid_request_uri', 'the handle is no request_uri');
  },
);

testOnServers('what is wrong with a posted request is said, to people and to programs', async (t, server) => {
  const scene = await setUpScene(server);
  const url = `${server.url}/authorize`;
  const form = await formOfRequest(scene);
  const encoded = new URLSearchParams(form).toString();
  const cases: [string, RequestInit, number, RegExp][] = [
    ['JSON', { headers: { 'content-type': 'application/json' }, body: '{}' }, 415, /x-www-form-urlencoded/],
    ['multipart', { body: new FormData() }, 415, /x-www-form-urlencoded/],
    ['16 KiB', { body: new URLSearchParams({ ...form, state: 'x'.repeat(16_384) }) }, 400, /too long/],
    ['many', { body: new URLSearchParams('a=b&'.repeat(60)) }, 400, /too many parameters/],
    ['the limit of bodies', { body: 'x'.repeat(70_000) }, 413, /too large/],
  ];
  for (const [title, init, status, said] of cases) {
    const page = await scene.ua.send(url, {
      method: 'POST',
      ...init,
      headers: { ...init.headers, accept: 'text/html' },
    });
    t.deepEqual([page.status, page.location], [status, null], title);
    if (status !== 413) t.regex(textOf(page), said, title);
    const answer = await fetch(url, { method: 'POST', ...init });
    const { error, error_description } = (await answer.json()) as Parameters;
    t.deepEqual([answer.status, error], [status, 'invalid_request'], title);
    t.regex(error_description ?? '', said, title);
  }
  const twice = await scene.ua.send(`${url}?scope=openid`, {
    method: 'POST',
    body: new URLSearchParams(form),
  });
  const refused = sentTo(await scene.ua.open(sentTo(twice).href)).searchParams;
  t.regex(refused.get('error_description') ?? '', /'scope' parameter must not be provided twice/);
  for (const body of ['', '%00=%00&client_id=%00', '&&&=&']) {
    const headers = { 'content-type': 'application/x-www-form-urlencoded', accept: 'text/html' };
    const page = await scene.ua.send(url, { method: 'POST', body, headers });
    t.is((await scene.ua.open(sentTo(page).href)).status, 400, body);
  }
  const typed = { 'content-type': 'application/x-www-form-urlencoded; charset=UTF-8' };
  const charset = await scene.ua.send(url, { method: 'POST', body: encoded, headers: typed });
  t.is(sentTo(charset).searchParams.get('client_id'), scene.client_id);
  const chunked = await send(url, { body: encoded, chunked: true, headers: typed });
  t.is(chunked.status, 303);
});

const inDatabase = (name: string) => ({ RATE_LIMITS: name === 'sqlite' ? 'memory' : 'database' });

testOnOwnServers('kept requests are limited by address', inDatabase, async (t, server) => {
  // A counter in memory could be filled only by 600 requests.
  if (server.store === 'sqlite') {
    t.pass();
    return;
  }
  const scene = await setUpScene(server);
  const long = await formOfRequest(scene, { state: 'x'.repeat(3_000) });
  t.is((await postForm(scene, '/authorize', long)).status, 303);
  await server.db('rate_limits').where('key', 'like', 'strangers:%').update({ points: 600 });
  const { url } = server;
  const page = await scene.ua.send(`${url}/authorize`, {
    method: 'POST',
    body: new URLSearchParams(long),
    headers: { accept: 'text/html' },
  });
  t.is(page.status, 429);
  t.regex(page.headers.get('retry-after') ?? '', /^\d+$/);
  t.regex(textOf(page), /Too many requests/);
  t.is((await postForm(scene, '/authorize', await formOfRequest(scene))).status, 303, 'nothing is kept');
});

testOnServers('a step of a login is no place for a posted request', async (t, server) => {
  for (const path of ['/authorize/some-id', '/logout/success', '/device/some-id']) {
    const answer = await send(`${server.url}${path}`, { form: { a: 'b' } });
    t.deepEqual([answer.status, answer.headers.allow], [405, 'GET, HEAD'], path);
  }
});
