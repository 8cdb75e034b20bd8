// docs/connect/express.md: Express with openid-client 6.
import { randomBytes } from 'node:crypto';
import { chooseAddress, logOutOf, shortLived, useAfterExpiry } from '../harness/app.ts';
import { jsonOf, openBrowser } from '../harness/browser.ts';
import { useKindred } from '../harness/kindred.ts';
import { layOut, readClient } from '../harness/pages.ts';
import { runApp } from '../harness/programs.ts';
import { npmTool, testWith } from '../harness/tools.ts';

const test = testWith(npmTool(import.meta.dirname));
const getKindred = useKindred();

test('Express with openid-client 6 logs in, refreshes five times at once and logs out', async (t, folder) => {
  const kindred = await getKindred();
  const { url, port, values } = await chooseAddress(kindred);
  const { client_id, client_secret } = await kindred.createClient(await readClient('express', values));
  await kindred.updateClient(client_id, shortLived);
  const cwd = await layOut(t, 'express', folder, values);
  const env = {
    ...kindred.trust,
    CLIENT_ID: client_id,
    CLIENT_SECRET: client_secret,
    SESSION_SECRET: randomBytes(16).toString('hex'),
    PORT: String(port),
  };
  await runApp(t, process.execPath, ['server.js'], { cwd, env, port });
  const person = await kindred.createUser();
  const browser = openBrowser();
  t.like(jsonOf(await browser.logIn(`${url}/`, person)), {
    user: { sub: person.id, preferred_username: person.username, email: person.email },
    profile: { sub: person.id, preferred_username: person.username, email: person.email },
  });
  await useAfterExpiry(t, browser, `${url}/`);
  await logOutOf(t, browser, kindred, { logout: `${url}/logout`, home: `${url}/` });
});
