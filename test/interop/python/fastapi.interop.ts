// docs/connect/fastapi.md: FastAPI with Authlib as the client and PyJWT in the API.
import { randomBytes } from 'node:crypto';
import { send } from '../../helpers/client.ts';
import { chooseAddress, logOutOf, shortLived, useAfterExpiry } from '../harness/app.ts';
import { jsonOf, openBrowser } from '../harness/browser.ts';
import { useKindred } from '../harness/kindred.ts';
import { layOut, readClient, runCommands } from '../harness/pages.ts';
import { runApp } from '../harness/programs.ts';
import { pythonOf, pythonTool, testWith } from '../harness/tools.ts';

const test = testWith(pythonTool(import.meta.dirname));
const getKindred = useKindred();

test('FastAPI with Authlib logs in, calls an API of PyJWT, refreshes five times at once and logs out', async (t, folder) => {
  const kindred = await getKindred();
  const api = await chooseAddress(kindred);
  const { url, port, values } = await chooseAddress(kindred, {
    'https://api.example.com': api.url,
    ' offline_access': '',
  });
  await runCommands(kindred, 'fastapi', 'resource-server.sh', values);
  const { client_id, client_secret } = await kindred.createClient(await readClient('fastapi', values));
  await kindred.updateClient(client_id, shortLived);
  const cwd = await layOut(t, 'fastapi', folder, values);
  const secrets = {
    CLIENT_ID: client_id,
    CLIENT_SECRET: client_secret,
    SESSION_SECRET: randomBytes(16).toString('hex'),
  };
  const env = { ...kindred.trust, ...secrets };
  const serve = async (app: string, port: number) =>
    await runApp(t, pythonOf(folder), ['-m', 'uvicorn', app, '--port', String(port)], { cwd, env, port });
  await serve('api:api', api.port);
  await serve('app:app', port);
  const person = await kindred.createUser();
  const browser = openBrowser();
  const home = jsonOf(await browser.logIn(`${url}/`, person));
  t.like(home, {
    user: { iss: kindred.issuer, sub: person.id, preferred_username: person.username, email: person.email },
    notes: { of: person.id },
  });
  await useAfterExpiry(t, browser, `${url}/`);
  await logOutOf(t, browser, kindred, { logout: `${url}/logout`, home: `${url}/` });
  for (const token of ['nonsense', '']) t.is((await send(`${api.url}/notes`, { token })).status, 401);
});
