// openid-client 5, on which next-auth 4, express-openid-connect and many others stand.
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { chooseAddress, logOutOf, shortLived, useAfterExpiry } from '../harness/app.ts';
import { jsonOf, openBrowser } from '../harness/browser.ts';
import { useKindred } from '../harness/kindred.ts';
import { runApp } from '../harness/programs.ts';
import { npmTool, testWith } from '../harness/tools.ts';

const test = testWith(npmTool(import.meta.dirname));
const getKindred = useKindred();

test('openid-client 5 verifies RS256, refreshes five times at once, revokes and logs out', async (t, folder) => {
  const kindred = await getKindred();
  const { url, port } = await chooseAddress(kindred);
  const { client_id, client_secret } = await kindred.createClient({
    client_name: 'openid-client 5',
    redirect_uris: [`${url}/callback`],
    post_logout_redirect_uris: [`${url}/`],
  });
  await kindred.updateClient(client_id, shortLived);
  await cp(join(import.meta.dirname, 'openid_client_5.js'), join(folder, 'openid_client_5.js'));
  const env = {
    ...kindred.trust,
    ISSUER: kindred.issuer,
    CLIENT_ID: client_id,
    CLIENT_SECRET: client_secret,
    APP: url,
    PORT: String(port),
  };
  await runApp(t, process.execPath, ['openid_client_5.js'], { cwd: folder, env, port });
  const person = await kindred.createUser();
  const browser = openBrowser();
  t.like(jsonOf(await browser.logIn(`${url}/`, person)), {
    user: { sub: person.id, preferred_username: person.username, email: person.email },
    profile: { sub: person.id, preferred_username: person.username, email: person.email },
  });
  await useAfterExpiry(t, browser, `${url}/`);
  // The revoked session is over, so that the hint names none that lives.
  await logOutOf(t, browser, kindred, { logout: `${url}/logout`, home: `${url}/`, asks: true });
});
