// docs/connect/rust.md: the crate openidconnect.
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chooseAddress, logOutOf, useAfterExpiry } from '../harness/app.ts';
import { jsonOf, openBrowser } from '../harness/browser.ts';
import { useKindred } from '../harness/kindred.ts';
import { layOut, readClient } from '../harness/pages.ts';
import { runApp, runToEnd } from '../harness/programs.ts';
import { testWith, toolOf } from '../harness/tools.ts';

// No Cargo.lock: it would name the host of the registry. The install writes one, which the test then keeps to.
const manifests = ['Cargo.toml'];

const test = testWith(
  toolOf({
    from: import.meta.dirname,
    manifests,
    needs: ['cargo'],
    async install(cwd) {
      // A program of nothing, so that the crates are compiled.
      await mkdir(join(cwd, 'src'));
      await writeFile(join(cwd, 'src/main.rs'), 'fn main() {}\n');
      await runToEnd('cargo', ['build', '--quiet'], { cwd });
    },
  }),
);
const getKindred = useKindred();

test('openidconnect logs in, reads userinfo, introspects, refreshes five times at once and logs out', async (t, folder) => {
  const kindred = await getKindred();
  const { url, port, values } = await chooseAddress(kindred);
  const { client_id, client_secret } = await kindred.createClient(await readClient('rust', values));
  // The app refreshes a minute before a token expires.
  await kindred.updateClient(client_id, { access_token_ttl: 60 });
  const cwd = await layOut(t, 'rust', folder, values);
  for (const name of [...manifests, 'Cargo.lock']) await cp(join(folder, name), join(cwd, name));
  await runToEnd(
    'cargo',
    ['build', '--quiet', '--locked', '--offline', '--target-dir', join(folder, 'target')],
    { cwd },
  );
  const env = { ...kindred.trust, CLIENT_ID: client_id, CLIENT_SECRET: client_secret, PORT: String(port) };
  await runApp(t, join(folder, 'target/debug/app'), [], { cwd, env, port });
  const person = await kindred.createUser();
  const browser = openBrowser();
  t.like(jsonOf(await browser.logIn(`${url}/`, person)), {
    user: { iss: kindred.issuer, sub: person.id },
    profile: { sub: person.id, preferred_username: person.username, email: person.email },
    active: true,
  });
  await useAfterExpiry(t, browser, `${url}/`);
  await logOutOf(t, browser, kindred, { logout: `${url}/logout`, home: `${url}/` });
});
