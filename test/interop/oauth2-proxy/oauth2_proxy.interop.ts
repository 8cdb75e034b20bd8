// docs/connect/oauth2-proxy.md: the proxy itself, in front of an application that answers the headers it gets.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { chooseAddress, logOutOf, shortLived, useAfterExpiry } from '../harness/app.ts';
import { jsonOf, openBrowser } from '../harness/browser.ts';
import { useKindred } from '../harness/kindred.ts';
import { layOut, readClient } from '../harness/pages.ts';
import { runApp } from '../harness/programs.ts';
import { goTool, testWith } from '../harness/tools.ts';
import { openUpstream } from '../harness/upstream.ts';

const test = testWith(goTool(import.meta.dirname, [], ['github.com/oauth2-proxy/oauth2-proxy/v7']));
const getKindred = useKindred();

/** The proxy with the settings of the page, before an application. */
async function startProxy(t: ExecutionContext, folder: string) {
  const kindred = await getKindred();
  const { url, port, values } = await chooseAddress(kindred, {
    '"id.example.com"': `"${new URL(kindred.issuer).host}"`,
    '"10m"': '"1s"',
  });
  const { client_id, client_secret } = await kindred.createClient(await readClient('oauth2-proxy', values));
  await kindred.updateClient(client_id, shortLived);
  const cwd = await layOut(t, 'oauth2-proxy', folder, values);
  const env = {
    ...kindred.trust,
    OAUTH2_PROXY_CLIENT_ID: client_id,
    OAUTH2_PROXY_CLIENT_SECRET: client_secret,
    OAUTH2_PROXY_COOKIE_SECRET: randomBytes(32).toString('base64url'),
    OAUTH2_PROXY_HTTP_ADDRESS: `127.0.0.1:${port}`,
    OAUTH2_PROXY_UPSTREAMS: await openUpstream(t),
    OAUTH2_PROXY_COOKIE_SECURE: 'false',
  };
  await runApp(t, join(folder, 'bin/oauth2-proxy'), ['--config', 'oauth2-proxy.cfg'], { cwd, env, port });
  return { kindred, client_id, url, browser: openBrowser() };
}

test('oauth2-proxy lets a user with the role in, refreshes five times at once and logs out', async (t, folder) => {
  const { kindred, client_id, url, browser } = await startProxy(t, folder);
  const person = await kindred.createUser(['--role', 'staff']);
  t.like(jsonOf(await browser.logIn(`${url}/`, person)), {
    'x-forwarded-user': person.id,
    'x-forwarded-email': person.email,
    'x-forwarded-preferred-username': person.username,
    'x-forwarded-groups': 'staff',
  });
  await useAfterExpiry(t, browser, `${url}/`);
  const end = new URLSearchParams({ client_id, post_logout_redirect_uri: `${url}/` });
  const rd = encodeURIComponent(`${kindred.issuer}/logout?${end}`);
  await logOutOf(t, browser, kindred, {
    logout: `${url}/oauth2/sign_out?rd=${rd}`,
    home: `${url}/`,
    asks: true,
  });
});

test('oauth2-proxy keeps a user without the role out', async (t, folder) => {
  const { kindred, url, browser } = await startProxy(t, folder);
  const page = await browser.logIn(`${url}/`, await kindred.createUser());
  t.is(page.status, 403);
});
