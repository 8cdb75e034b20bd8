// docs/connect/spring.md: Spring Boot 4 as a client, with back-channel logout, and as a resource server, in one program.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { send } from '../../helpers/client.ts';
import { until } from '../../helpers/until.ts';
import { chooseAddress, useAfterExpiry } from '../harness/app.ts';
import { type Browser, jsonOf, openBrowser } from '../harness/browser.ts';
import { type Kindred, useKindred } from '../harness/kindred.ts';
import { layOut, readClient, runCommands } from '../harness/pages.ts';
import { runApp, runToEnd } from '../harness/programs.ts';
import { testWith, toolOf } from '../harness/tools.ts';

const test = testWith(
  toolOf({
    from: import.meta.dirname,
    manifests: ['pom.xml'],
    needs: ['mvn', 'javac', 'keytool'],
    install: (cwd) =>
      runToEnd('mvn', ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=lib'], { cwd }),
  }),
);
// The app listens on a loopback address.
const getKindred = useKindred({ FETCH_PRIVATE_ADDRESSES: 'true' });

/** The app of the page, a browser and a user. */
async function startApp(t: ExecutionContext, folder: string) {
  const kindred = await getKindred();
  const { url, port, values: addresses } = await chooseAddress(kindred);
  const values = { ...addresses, 'https://api.example.com': url };
  await runCommands(kindred, 'spring', 'resource-server.sh', values);
  const { client_id, client_secret } = await kindred.createClient(await readClient('spring', values));
  // Spring takes a token for expired a minute before it is.
  await kindred.updateClient(client_id, { access_token_ttl: 30 });
  const cwd = await layOut(t, 'spring', folder, values);
  await compile(cwd, folder);
  const env = {
    ...(await trustOf(kindred, cwd)),
    CLIENT_ID: client_id,
    CLIENT_SECRET: client_secret,
    SERVER_PORT: String(port),
  };
  const classes = ['classes', 'src/main/resources', join(folder, 'lib/*')].join(':');
  // A short start matters more than the speed of the app.
  await runApp(t, 'java', ['-XX:TieredStopAtLevel=1', '-cp', classes, 'com.example.Application'], {
    cwd,
    env,
    port,
  });
  const person = await kindred.createUser();
  return { kindred, url, browser: openBrowser(), person };
}

async function compile(cwd: string, folder: string): Promise<void> {
  const source = 'src/main/java/com/example/Application.java';
  await runToEnd('javac', ['-parameters', '-d', 'classes', '-cp', join(folder, 'lib/*'), source], { cwd });
}

/** The environment with which Java trusts the certificate of the server: it reads no PEM files. */
async function trustOf({ certificate }: Kindred, cwd: string): Promise<Record<string, string>> {
  await writeFile(join(cwd, 'certificate.pem'), certificate);
  const store = join(cwd, 'trust.p12');
  const from = ['-importcert', '-noprompt', '-alias', 'kindred', '-file', 'certificate.pem'];
  await runToEnd('keytool', [...from, '-keystore', store, '-storepass', 'changeit'], { cwd });
  const settings = { trustStore: store, trustStorePassword: 'changeit' };
  const flags = Object.entries(settings).map(([name, value]) => `-Djavax.net.ssl.${name}=${value}`);
  return { JAVA_TOOL_OPTIONS: flags.join(' ') };
}

/** Logs out at the app by its page; the way back through Kindred ends at the app, which asks for a login again. */
async function signOut(
  t: ExecutionContext,
  browser: Browser,
  { issuer }: Kindred,
  url: string,
): Promise<void> {
  const page = await browser.submit(await browser.open(`${url}/logout`), '/logout');
  t.true(
    page.url.startsWith(`${issuer}/interaction/`),
    `${page.url}: back at the app, which asks for a login`,
  );
}

test('Spring Boot logs in, calls an API of Spring, refreshes five times at once and hears of both kinds of logout', async (t, folder) => {
  const { kindred, url, browser, person } = await startApp(t, folder);
  const home = jsonOf(await browser.logIn(`${url}/`, person));
  t.like(home, {
    user: { sub: person.id, preferred_username: person.username, email: person.email },
    notes: { of: person.id },
  });
  for (const token of ['nonsense', '']) t.is((await send(`${url}/notes`, { token })).status, 401);
  await useAfterExpiry(t, browser, `${url}/`);
  const { sessions } = await kindred.command<{ sessions: { generation: number }[] }>([
    'sessions',
    person.username,
  ]);
  t.is(sessions.length, 1);
  t.true((sessions[0]?.generation ?? 0) > 3, JSON.stringify(sessions));
  const answerToOthers = async () => (await browser.ua.send(`${url}/nothing`)).status;
  t.is(await answerToOthers(), 404);
  await kindred.command(['logout', person.username]);
  await until(async () => (await answerToOthers()) === 302, 'the app hears that the session has ended');
  jsonOf(await browser.logIn(`${url}/`, person));
  await signOut(t, browser, kindred, url);
});
