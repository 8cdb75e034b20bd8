// docs/connect/generic.md: golang.org/x/oauth2 with the settings of Grafana, and go-oidc, which verifies the ID token.
import { join } from 'node:path';
import { chooseAddress, logOutOf, shortLived, useAfterExpiry } from '../harness/app.ts';
import { jsonOf, openBrowser } from '../harness/browser.ts';
import { useKindred } from '../harness/kindred.ts';
import { layOut, readClient } from '../harness/pages.ts';
import { runApp } from '../harness/programs.ts';
import { goTool, testWith } from '../harness/tools.ts';

const test = testWith(goTool(import.meta.dirname, ['generic']));
const getKindred = useKindred();

test('x/oauth2 and go-oidc with the settings of Grafana log in, refresh five times at once and log out', async (t, folder) => {
  const kindred = await getKindred();
  const { url, port, values } = await chooseAddress(kindred);
  const all = { ...values, 'https%3A%2F%2Fapp.example.com': encodeURIComponent(url) };
  const { client_id, client_secret } = await kindred.createClient(await readClient('generic', all));
  await kindred.updateClient(client_id, shortLived);
  const cwd = await layOut(t, 'generic', folder, all);
  const env = { ...kindred.trust, CLIENT_ID: client_id, CLIENT_SECRET: client_secret, PORT: String(port) };
  await runApp(t, join(folder, 'bin/generic'), ['grafana.ini', kindred.issuer], { cwd, env, port });
  const person = await kindred.createUser(['--role', 'editor']);
  const browser = openBrowser();
  t.like(jsonOf(await browser.logIn(`${url}/`, person)), {
    login: person.username,
    email: person.email,
    groups: ['editor'],
  });
  await useAfterExpiry(t, browser, `${url}/`);
  await logOutOf(t, browser, kindred, { logout: `${url}/logout`, home: `${url}/` });
});
