// docs/connect/express.md: Express with openid-client 6.
import { randomBytes } from 'node:crypto';
import { freePort } from '../../helpers/server_process.ts';
import { untilTime } from '../../helpers/until.ts';
import { jsonOf, openBrowser } from '../harness/browser.ts';
import { useKindred } from '../harness/kindred.ts';
import { example, layOut, readClient } from '../harness/pages.ts';
import { runApp } from '../harness/programs.ts';
import { npmTool, testWith } from '../harness/tools.ts';

const test = testWith(npmTool(import.meta.dirname));
const getKindred = useKindred();

interface Home {
  user: { sub: string; name?: string; preferred_username?: string; email?: string };
  profile: { sub: string; preferred_username: string; email: string };
}

test('Express with openid-client 6 logs in, refreshes five times at once and logs out', async (t, folder) => {
  const kindred = await getKindred();
  const port = await freePort();
  const app = `http://127.0.0.1:${port}`;
  const values = { [example.issuer]: kindred.issuer, [example.app]: app };
  const { client_id, client_secret } = await kindred.createClient(await readClient('express', values));
  await kindred.updateClient(client_id, { access_token_ttl: 1, rotation_profile: 'mobile' });
  const env = {
    CLIENT_ID: client_id,
    CLIENT_SECRET: client_secret,
    SESSION_SECRET: randomBytes(16).toString('hex'),
  };
  const cwd = await layOut(t, 'express', folder, values);
  const person = await kindred.createUser();
  await runApp(t, process.execPath, ['server.js'], {
    cwd,
    env: { ...kindred.trust, ...env, PORT: String(port) },
    port,
  });
  const browser = openBrowser();
  const home = jsonOf<Home>(await browser.logIn(`${app}/`, person));
  t.like(home, {
    user: { sub: person.id },
    profile: { sub: person.id, preferred_username: person.username, email: person.email },
  });
  for (const round of [1, 2]) {
    await untilTime(Date.now() + 1100);
    const pages = await browser.openAtOnce(`${app}/`, 5);
    t.deepEqual(
      pages.map((page) => [round, page.status, page.url]),
      Array(5).fill([round, 200, `${app}/`]),
    );
  }
  await browser.logOut(`${app}/logout`);
  const page = await browser.open(`${app}/`);
  t.true(page.url.startsWith(`${kindred.issuer}/`), 'the user has to log in again');
});
