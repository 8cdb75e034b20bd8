// docs/connect/apache.md: Apache with mod_auth_openidc, in front of an application that answers the headers it gets.
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { until } from '../../helpers/until.ts';
import { chooseAddress, logOutOf, useAfterExpiry } from '../harness/app.ts';
import { jsonOf, openBrowser } from '../harness/browser.ts';
import { type Kindred, useKindred } from '../harness/kindred.ts';
import { readClient, readPage } from '../harness/pages.ts';
import { runApp } from '../harness/programs.ts';
import { testWith, toolOf } from '../harness/tools.ts';
import { openUpstream } from '../harness/upstream.ts';

const modules = '/usr/lib/apache2/modules';
const apache = toolOf({
  from: import.meta.dirname,
  manifests: [],
  needs: ['apache2'],
  install: async () => {},
});
const withModule = existsSync(join(modules, 'mod_auth_openidc.so'));
const test = testWith(withModule ? apache : { ...apache, missing: 'mod_auth_openidc is not installed' });
// Apache listens on a loopback address.
const getKindred = useKindred({ FETCH_PRIVATE_ADDRESSES: 'true' });

/** The server of a machine that has nothing but the site of the page. */
function machine(folder: string, port: number): string {
  const names = [
    'mpm_event',
    'authn_core',
    'authz_core',
    'authz_user',
    'proxy',
    'proxy_http',
    'headers',
    'auth_openidc',
  ];
  const lines = [
    `ServerRoot ${folder}`,
    `DefaultRuntimeDir ${folder}`,
    `PidFile ${folder}/pid`,
    `ErrorLog ${folder}/error.log`,
    'ServerName 127.0.0.1',
    `Listen 127.0.0.1:${port}`,
    ...names.map((name) => `LoadModule ${name}_module ${modules}/mod_${name}.so`),
    `OIDCCABundlePath ${folder}/certificate.pem`,
    // The requests of Node say that they are those of a script, which the module sends to no login; a browser navigates.
    'RequestHeader set Sec-Fetch-Mode navigate early',
    // Started by root, the server gives its rights up.
    ...(process.getuid?.() === 0 ? ['User www-data', 'Group www-data'] : []),
    'Include app.conf',
  ];
  return `${lines.join('\n')}\n`;
}

/** A folder that the user of the web server can read. */
async function makeFolder(t: ExecutionContext, files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kindred-interop-apache-'));
  await chmod(folder, 0o755);
  t.teardown(async () => {
    if (!t.passed) t.log(await readFile(join(folder, 'error.log'), 'utf8').catch(String));
    await rm(folder, { recursive: true });
  });
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

/** Apache with the site of the page, before an application. */
async function startApache(t: ExecutionContext, kindred: Kindred) {
  const { url, port, values } = await chooseAddress(kindred, {
    'http://127.0.0.1:8080/': await openUpstream(t),
  });
  const { client_id, client_secret } = await kindred.createClient(await readClient('apache', values));
  const site = (await readPage('apache')).get('app.conf') ?? '';
  const filledIn = Object.entries(values).reduce((text, [from, to]) => text.replaceAll(from, to), site);
  const cwd = await makeFolder(t, { 'app.conf': filledIn, 'certificate.pem': kindred.certificate });
  await writeFile(join(cwd, 'apache.conf'), machine(cwd, port));
  const secrets = {
    CLIENT_ID: client_id,
    CLIENT_SECRET: client_secret,
    SESSION_SECRET: randomBytes(16).toString('hex'),
  };
  const env = { ...secrets, PATH: `${process.env.PATH}:/usr/sbin` };
  await runApp(t, 'apache2', ['-DFOREGROUND', '-f', join(cwd, 'apache.conf')], { cwd, env, port });
  return { url, client_id };
}

test('mod_auth_openidc lets a user with the role in, refreshes five times at once and hears of both kinds of logout', async (t) => {
  const kindred = await getKindred();
  const { url, client_id } = await startApache(t, kindred);
  const person = await kindred.createUser(['--role', 'staff']);
  const browser = openBrowser();
  t.like(jsonOf(await browser.logIn(`${url}/`, person)), {
    oidc_claim_sub: person.id,
    oidc_claim_preferred_username: person.username,
    oidc_claim_email: person.email,
    oidc_claim_groups: 'staff',
  });
  await kindred.command(['logout', person.username]);
  await until(
    async () => (await browser.ua.send(`${url}/`)).status === 302,
    'the module hears that the session has ended',
  );
  t.notRegex(kindred.output(), /a logout notice was not taken/);
  // The module refreshes a minute before a token expires.
  await kindred.updateClient(client_id, { access_token_ttl: 60 });
  jsonOf(await browser.logIn(`${url}/`, person));
  await useAfterExpiry(t, browser, `${url}/`);
  const home = `${url}/signed-out`;
  const logout = `${url}/oidc?logout=${encodeURIComponent(home)}`;
  t.is((await browser.open(home)).status, 200);
  await logOutOf(t, browser, kindred, { logout, home: `${url}/`, asks: true });
});

test('mod_auth_openidc keeps a user without the role out', async (t) => {
  const kindred = await getKindred();
  const { url } = await startApache(t, kindred);
  t.is((await openBrowser().logIn(`${url}/`, await kindred.createUser())).status, 403);
});
