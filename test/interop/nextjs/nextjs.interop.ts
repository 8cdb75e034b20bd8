// docs/connect/nextjs.md: Next.js with Auth.js (next-auth), which refreshes in its documented callback.
import { randomBytes } from 'node:crypto';
import { symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chooseAddress, shortLived, useAfterExpiry } from '../harness/app.ts';
import { jsonOf, openBrowser } from '../harness/browser.ts';
import { useKindred } from '../harness/kindred.ts';
import { layOut, readClient } from '../harness/pages.ts';
import { runApp, runToEnd } from '../harness/programs.ts';
import { npmTool, testWith } from '../harness/tools.ts';

const test = testWith(npmTool(import.meta.dirname));
const getKindred = useKindred();

test('Next.js with Auth.js logs in, refreshes five times at once and signs out', async (t, folder) => {
  const kindred = await getKindred();
  const { url, port, values } = await chooseAddress(kindred);
  const { client_id, client_secret } = await kindred.createClient(await readClient('nextjs', values));
  await kindred.updateClient(client_id, shortLived);
  // Next.js compiles nothing below a folder node_modules.
  const cwd = await layOut(t, 'nextjs', tmpdir(), values);
  await symlink(join(folder, 'node_modules'), join(cwd, 'node_modules'));
  const env = {
    ...kindred.trust,
    CLIENT_ID: client_id,
    CLIENT_SECRET: client_secret,
    NEXTAUTH_URL: url,
    NEXTAUTH_SECRET: randomBytes(32).toString('base64url'),
    NEXT_TELEMETRY_DISABLED: '1',
  };
  const next = join(folder, 'node_modules/next/dist/bin/next');
  await runToEnd(process.execPath, [next, 'build', '--webpack'], { cwd, env });
  await runApp(t, process.execPath, [next, 'start', '-p', String(port), '-H', '127.0.0.1'], {
    cwd,
    env,
    port,
  });
  const person = await kindred.createUser();
  const browser = openBrowser();
  const post = async (path: string, fields: Record<string, string>) => {
    const { csrfToken } = jsonOf<{ csrfToken: string }>(await browser.open(`${url}/api/auth/csrf`));
    const body = new URLSearchParams({ csrfToken, json: 'true', ...fields });
    return jsonOf<{ url: string }>(await browser.ua.send(`${url}${path}`, { method: 'POST', body }));
  };
  // What signIn() and signOut() of next-auth/react send.
  const begun = await post('/api/auth/signin/kindred', { callbackUrl: `${url}/api/me` });
  t.like(jsonOf(await browser.logIn(begun.url, person)), {
    user: { name: person.username, email: person.email },
    profile: { sub: person.id, preferred_username: person.username },
  });
  await useAfterExpiry(t, browser, `${url}/api/me`);
  await post('/api/auth/signout', { callbackUrl: `${url}/` });
  t.is((await browser.open(`${url}/api/me`)).status, 401);
});
