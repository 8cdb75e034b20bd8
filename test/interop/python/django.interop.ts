// docs/connect/django.md: mozilla-django-oidc, django-allauth and python-social-auth in one Django project.
import { randomBytes } from 'node:crypto';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { accessTokenTtl, chooseAddress, logOutOf, shortLived, useAfterExpiry } from '../harness/app.ts';
import { jsonOf, openBrowser } from '../harness/browser.ts';
import { useKindred } from '../harness/kindred.ts';
import { layOut, readClient } from '../harness/pages.ts';
import { runApp, runToEnd } from '../harness/programs.ts';
import { pythonOf, pythonTool, testWith } from '../harness/tools.ts';

const test = testWith(pythonTool(import.meta.dirname));
const getKindred = useKindred();

/** The project with the settings of one library, a browser and a user. */
async function startSite(t: ExecutionContext, folder: string, library: string) {
  const kindred = await getKindred();
  const { url, port, values } = await chooseAddress(kindred, {
    'EXPIRY_SECONDS = 900': `EXPIRY_SECONDS = ${accessTokenTtl}`,
  });
  const { client_id, client_secret } = await kindred.createClient(await readClient('django', values));
  await kindred.updateClient(client_id, shortLived);
  const cwd = await layOut(t, 'django', folder, values);
  await cp(join(import.meta.dirname, 'project'), join(cwd, 'project'), { recursive: true });
  const env = {
    ...kindred.trust,
    CLIENT_ID: client_id,
    CLIENT_SECRET: client_secret,
    SESSION_SECRET: randomBytes(32).toString('hex'),
    DJANGO_SETTINGS_MODULE: `settings_${library}`,
    PYTHONPATH: cwd,
  };
  const django = (...args: string[]) => ['-m', 'django', ...args];
  await runToEnd(pythonOf(folder), django('migrate', '--verbosity=0'), { cwd, env });
  await runApp(t, pythonOf(folder), django('runserver', '--noreload', `127.0.0.1:${port}`), {
    cwd,
    env,
    port,
  });
  return { kindred, url, browser: openBrowser(), person: await kindred.createUser() };
}

test('mozilla-django-oidc logs in with RS256, renews its login without a page, and logs out', async (t, folder) => {
  const { kindred, url, browser, person } = await startSite(t, folder, 'mozilla');
  t.like(jsonOf(await browser.logIn(`${url}/`, person)), { email: person.email });
  // Its renewals keep their state in the Django session, where two at once overwrite each other.
  await useAfterExpiry(t, browser, `${url}/`, [1, 1]);
  await logOutOf(t, browser, kindred, { logout: `${url}/oidc/logout/`, home: `${url}/` });
});

test('django-allauth logs in and knows name and address', async (t, folder) => {
  const { url, browser, person } = await startSite(t, folder, 'allauth');
  t.like(jsonOf(await browser.logIn(`${url}/`, person)), { username: person.username, email: person.email });
  const again = await browser.open(`${url}/sign-out`);
  t.is(again.url, `${url}/`, 'the browser session of Kindred goes on');
});

test('python-social-auth logs in with RS256 and refreshes five times at once', async (t, folder) => {
  const { url, browser, person } = await startSite(t, folder, 'social');
  const page = await browser.submit(await browser.open(`${url}/`), '/login/oidc/?next=/');
  t.like(jsonOf(await browser.answer(page, person)), { username: person.username, email: person.email });
  await useAfterExpiry(t, browser, `${url}/token`);
});
